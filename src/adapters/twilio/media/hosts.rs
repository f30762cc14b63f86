//! Which hosts may be requested for an attachment, and which may get the token.
//!
//! Only host names are allowed, never addresses, and TLS proves each name: so no request can reach our own network. The
//! exception is the configured API, at any address.

use url::{Host, Url};

/// Where Twilio's signed links lead if they do not lead to Twilio's own hosts.
const AMAZON: &str = ".amazonaws.com";

/// The kind of host that has an attachment, according to its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// Twilio's API, or its Media Content Service, which require the account's token.
    Api,
    /// Twilio's content network, which must not get the token.
    Cdn,
}

/// The allowed hosts: Twilio's, and the configured API's.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    api: Url,
    /// The Media Content Service, which has the attachments of Conversations.
    content: Url,
}

impl Hosts {
    pub(super) fn new(api_url: &str, media_url: &str) -> Result<Self, url::ParseError> {
        Ok(Self { api: Url::parse(api_url)?, content: Url::parse(media_url)? })
    }

    /// The kind of host of an attachment's URL; `None` if it must not be requested.
    pub(super) fn keeper(&self, url: &Url, account_sid: &str) -> Option<Keeper> {
        if names_a_user(url) {
            return None;
        }
        if self.path_of_content(url).is_some_and(is_content) {
            // The path does not name the account. What names none, or another, is nobody's.
            return (url.fragment() == Some(account_sid)).then_some(Keeper::Api);
        }
        if let Some(path) = self.path_of_api(url) {
            // The token gives access to the whole account, so a webhook's URL gets it only for attachments.
            return is_media_of(account_sid, path).then_some(Keeper::Api);
        }
        https_host(url).is_some_and(is_twilios).then_some(Keeper::Cdn)
    }

    /// Whether a redirect to this URL may be followed, without the token.
    pub(super) fn may_be_led_to(&self, url: &Url) -> bool {
        let known = https_host(url).is_some_and(|host| is_twilios(host) || is_s3(host));
        !names_a_user(url) && (known || self.is_simulator(url))
    }

    /// The path below the base URL of the Media Content Service, if this is the configured one or one of Twilio's own.
    fn path_of_content<'a>(&self, url: &'a Url) -> Option<&'a str> {
        if url.origin() == self.content.origin() {
            return url.path().strip_prefix(self.content.path().trim_end_matches('/'));
        }
        let host = https_host(url)?;
        (host.starts_with("mcs.") && host.ends_with(".twilio.com")).then(|| url.path())
    }

    /// The path below the API's base URL, if this is the configured API or one of Twilio's own, including regional
    /// ones.
    fn path_of_api<'a>(&self, url: &'a Url) -> Option<&'a str> {
        if url.origin() == self.api.origin() {
            let below = url.path().strip_prefix(self.api.path().trim_end_matches('/'));
            return Some(below.unwrap_or_default());
        }
        let host = https_host(url)?;
        (host.starts_with("api.") && host.ends_with(".twilio.com")).then(|| url.path())
    }

    /// Whether this is the configured API's own server: the same origin or, if the API runs on this machine, the same
    /// port under any of the machine's names.
    fn is_simulator(&self, url: &Url) -> bool {
        let here = |url: &Url| url.scheme() == "http" && is_loopback(url);
        url.origin() == self.api.origin()
            || (here(url) && here(&self.api) && url.port_or_known_default() == self.api.port_or_known_default())
    }
}

/// Whether the URL contains a user, such as `https://api.twilio.com@elsewhere.example/`.
fn names_a_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The host name of an HTTPS URL on the default port, which TLS proves.
fn https_host(url: &Url) -> Option<&str> {
    match url.host() {
        Some(Host::Domain(name)) if url.scheme() == "https" && url.port().is_none() => Some(name),
        _ => None,
    }
}

/// `api.twilio.com`, `mms.twiliocdn.com`, `media.twiliocdn.com` and similar.
fn is_twilios(host: &str) -> bool {
    host.ends_with(".twilio.com") || host.ends_with(".twiliocdn.com")
}

/// Amazon S3 in any of its forms: `s3-external-1.amazonaws.com`, `<bucket>.s3.us-east-1.amazonaws.com`. Other hosts
/// below amazonaws.com are not allowed: names of machines and load balancers there may resolve to addresses in our own
/// network.
fn is_s3(host: &str) -> bool {
    let Some(labels) = host.strip_suffix(AMAZON) else { return false };
    let mut labels = labels.rsplit('.').skip_while(|label| is_region(label) || *label == "dualstack");
    labels.next().is_some_and(|label| label == "s3" || label.starts_with("s3-"))
}

/// Whether this is a region, such as `us-east-1`.
fn is_region(label: &str) -> bool {
    let mut parts = label.split('-');
    let is_area = |area: &str| area.len() == 2 && area.bytes().all(|byte| byte.is_ascii_lowercase());
    parts.next().is_some_and(is_area) && parts.next_back().is_some_and(|n| n.parse::<u8>().is_ok())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether the path is `/v1/Services/IS…/Media/ME…/Content`: the bytes of an attachment, and not what is known of it.
fn is_content(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    matches!(segments[..], ["", "v1", "Services", service, "Media", media, "Content"] if is_sid(service) && is_sid(media))
}

fn is_sid(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether the path is `/2010-04-01/Accounts/AC…/Messages/MM…/Media/ME…`: the attachment itself and not its metadata,
/// and of this account, because its token may give access to other accounts too.
fn is_media_of(account_sid: &str, path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    matches!(segments[..], ["", "2010-04-01", "Accounts", account, "Messages", message, "Media", media]
        if account == account_sid && is_sid(message) && is_sid(media))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LIVE: &str = "https://api.twilio.com";
    const SIMULATED: &str = "http://127.0.0.1:3711";

    /// The simulator is both.
    fn content_beside(api: &str) -> &str {
        if api == SIMULATED { api } else { "https://mcs.us1.twilio.com" }
    }

    fn keeper(api: &str, url: &str) -> Option<Keeper> {
        let url = Url::parse(&url.replace("{media}", "2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1")).unwrap();
        Hosts::new(api, content_beside(api)).unwrap().keeper(&url, "AC1")
    }

    fn led(api: &str, url: &str) -> bool {
        Hosts::new(api, content_beside(api)).unwrap().may_be_led_to(&Url::parse(url).unwrap())
    }

    #[rstest]
    #[case::twilio(LIVE, "https://api.twilio.com/{media}")]
    #[case::twilio_with_its_port(LIVE, "https://api.twilio.com:443/{media}")]
    #[case::twilio_in_other_letters(LIVE, "https://API.Twilio.com/{media}")]
    #[case::a_region(LIVE, "https://api.dublin.ie1.twilio.com/{media}")]
    #[case::twilio_beside_a_region("https://api.sydney.au1.twilio.com", "https://api.twilio.com/{media}")]
    #[case::the_simulator(SIMULATED, "http://127.0.0.1:3711/{media}")]
    #[case::a_proxy_with_a_path("https://proxy.example/twilio/", "https://proxy.example/twilio/{media}")]
    fn the_api_is_asked_with_the_token(#[case] api: &str, #[case] url: &str) {
        assert_eq!(keeper(api, url), Some(Keeper::Api));
    }

    #[rstest]
    #[case::twilio(LIVE, "https://mcs.us1.twilio.com/v1/Services/IS1/Media/ME1/Content#AC1", true)]
    #[case::a_region(LIVE, "https://mcs.ie1.twilio.com/v1/Services/IS1/Media/ME1/Content#AC1", true)]
    #[case::the_simulator(SIMULATED, "http://127.0.0.1:3711/v1/Services/IS1/Media/ME1/Content#AC1", true)]
    #[case::of_another_account(LIVE, "https://mcs.us1.twilio.com/v1/Services/IS1/Media/ME1/Content#AC2", false)]
    #[case::of_no_account(LIVE, "https://mcs.us1.twilio.com/v1/Services/IS1/Media/ME1/Content", false)]
    #[case::what_is_known_of_it(LIVE, "https://mcs.us1.twilio.com/v1/Services/IS1/Media/ME1#AC1", false)]
    #[case::a_way_out(LIVE, "https://mcs.us1.twilio.com/v1/Services/IS1/Media/%2e%2e/Content#AC1", false)]
    #[case::somebody(LIVE, "https://mcs.us1.twilio.com.evil.example/v1/Services/IS1/Media/ME1/Content#AC1", false)]
    #[case::unencrypted(LIVE, "http://mcs.us1.twilio.com/v1/Services/IS1/Media/ME1/Content#AC1", false)]
    fn the_media_content_service_is_asked_for_attachments_with_the_token(
        #[case] api: &str,
        #[case] url: &str,
        #[case] with_token: bool,
    ) {
        assert_eq!(keeper(api, url) == Some(Keeper::Api), with_token);
    }

    #[rstest]
    #[case::mms("https://mms.twiliocdn.com/AC1/0123?Expires=1&Signature=x")]
    #[case::media("https://media.twiliocdn.com/AC1/0123")]
    #[case::another_part_of_twilio("https://mcs.us1.twilio.com/v1/Services/IS1/Media/ME1")]
    fn the_content_network_is_asked_without(#[case] url: &str) {
        assert_eq!(keeper(LIVE, url), Some(Keeper::Cdn));
    }

    #[rstest]
    #[case::somebody(LIVE, "https://evil.example/{media}")]
    #[case::unencrypted(LIVE, "http://api.twilio.com/{media}")]
    #[case::another_scheme(LIVE, "ftp://api.twilio.com/{media}")]
    #[case::a_file(LIVE, "file:///etc/passwd")]
    #[case::another_port(LIVE, "https://api.twilio.com:8443/{media}")]
    #[case::a_prefix(LIVE, "https://api.twilio.com.evil.example/{media}")]
    #[case::a_suffix(LIVE, "https://eviltwilio.com/{media}")]
    #[case::a_suffix_of_the_network(LIVE, "https://eviltwiliocdn.com/0123")]
    #[case::the_bare_domain(LIVE, "https://twilio.com/{media}")]
    #[case::a_user(LIVE, "https://user@api.twilio.com/{media}")]
    #[case::a_user_that_looks_like_a_host(LIVE, "https://api.twilio.com@evil.example/{media}")]
    #[case::a_root_dot(LIVE, "https://api.twilio.com./{media}")]
    #[case::a_bucket(LIVE, "https://anybody.s3.amazonaws.com/0123")]
    #[case::an_address(LIVE, "https://169.254.169.254/latest/meta-data")]
    #[case::a_private_address(LIVE, "https://10.0.0.1/{media}")]
    #[case::an_address_in_disguise(LIVE, "https://2130706433/{media}")]
    #[case::an_ipv6_address(LIVE, "https://[::1]/{media}")]
    #[case::the_simulator_where_there_is_none(LIVE, "http://127.0.0.1:3711/{media}")]
    #[case::another_port_of_the_simulator(SIMULATED, "http://127.0.0.1:3712/{media}")]
    #[case::another_name_of_the_simulator(SIMULATED, "http://localhost:3711/{media}")]
    #[case::another_path_of_the_proxy("https://proxy.example/twilio", "https://proxy.example/{media}")]
    fn nobody_else_is_asked(#[case] api: &str, #[case] url: &str) {
        assert_eq!(keeper(api, url), None);
    }

    #[rstest]
    #[case::messages("/2010-04-01/Accounts/AC1/Messages.csv")]
    #[case::one_message("/2010-04-01/Accounts/AC1/Messages/MM1")]
    #[case::what_is_known_of_an_attachment("/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1.json")]
    #[case::a_way_out("/2010-04-01/Accounts/AC1/Messages/MM1/Media/../../../Messages.csv")]
    #[case::a_way_out_in_disguise("/2010-04-01/Accounts/AC1/Messages/MM1/Media/%2e%2e/%2e%2e/x")]
    #[case::nothing("/2010-04-01/Accounts//Messages//Media/")]
    #[case::the_root("/")]
    fn the_token_opens_nothing_but_attachments(#[case] path: &str) {
        assert_eq!(keeper(LIVE, &format!("{LIVE}{path}")), None);
        assert_eq!(keeper(SIMULATED, &format!("{SIMULATED}{path}")), None);
    }

    #[rstest]
    #[case::mms(LIVE, "https://mms.twiliocdn.com/AC1/0123?Expires=1")]
    #[case::media(LIVE, "https://media.twiliocdn.com/AC1/0123")]
    #[case::s3_by_path(LIVE, "https://s3-external-1.amazonaws.com/media.twiliocdn.com/AC1/0123")]
    #[case::s3_by_bucket(LIVE, "https://media.twiliocdn.com.s3.amazonaws.com/AC1/0123")]
    #[case::s3_of_a_region(LIVE, "https://a-bucket.s3.ap-southeast-2.amazonaws.com/0123")]
    #[case::s3_of_a_region_as_it_was(LIVE, "https://s3-us-west-2.amazonaws.com/a-bucket/0123")]
    #[case::s3_over_both_protocols(LIVE, "https://a-bucket.s3.dualstack.us-east-1.amazonaws.com/0123")]
    #[case::the_simulator(SIMULATED, "http://127.0.0.1:3711/cdn/0123")]
    #[case::the_simulator_by_another_name(SIMULATED, "http://localhost:3711/cdn/0123")]
    #[case::a_simulator_elsewhere("http://twilio-sim:3711", "http://twilio-sim:3711/cdn/0123")]
    fn a_redirect_may_lead_to_where_twilio_keeps_files(#[case] api: &str, #[case] url: &str) {
        assert!(led(api, url));
    }

    #[rstest]
    #[case::somebody(LIVE, "https://evil.example/0123")]
    #[case::unencrypted(LIVE, "http://mms.twiliocdn.com/0123")]
    #[case::another_port(LIVE, "https://mms.twiliocdn.com:8443/0123")]
    #[case::a_user(LIVE, "https://user:word@mms.twiliocdn.com/0123")]
    #[case::a_machine(LIVE, "https://ec2-10-0-0-1.compute-1.amazonaws.com/")]
    #[case::a_balancer(LIVE, "https://internal-x-1.us-east-1.elb.amazonaws.com/")]
    #[case::a_balancer_in_disguise(LIVE, "https://s3.us-east-1.elb.amazonaws.com/")]
    #[case::like_amazon(LIVE, "https://s3.evilamazonaws.com/")]
    #[case::metadata(LIVE, "http://169.254.169.254/latest/meta-data")]
    #[case::a_private_address(LIVE, "https://10.0.0.1/0123")]
    #[case::this_machine(LIVE, "http://localhost:3711/cdn/0123")]
    #[case::another_port_of_this_machine(SIMULATED, "http://localhost:6379/")]
    #[case::this_machine_from_a_simulator_elsewhere("http://twilio-sim:3711", "http://localhost:3711/")]
    fn a_redirect_leads_nowhere_else(#[case] api: &str, #[case] url: &str) {
        assert!(!led(api, url));
    }
}
