//! The base URL under which Twilio reaches us.
//!
//! Signatures are checked against it and callback URLs are built from it. It is kept exactly as written, apart from a
//! trailing slash: Twilio signs the exact characters, not a normalised form.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// An `http` or `https` base URL, exactly as the operator wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// Why a text is not a public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// Not an absolute `http` or `https` URL.
    #[error("not an http or https URL with a host")]
    NotWeb,
    /// It must be possible to append a path to a base URL.
    #[error("must not have a query or fragment")]
    QueryOrFragment,
}

impl PublicUrl {
    /// The URL without trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The base followed by a path (with its query), joined by exactly one slash and otherwise unchanged.
    pub fn join(&self, path_and_query: &str) -> String {
        match path_and_query.as_bytes().first() {
            None | Some(b'/' | b'?') => format!("{}{path_and_query}", self.0),
            Some(_) => format!("{}/{path_and_query}", self.0),
        }
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = web_url(text).ok_or(PublicUrlError::NotWeb)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(PublicUrlError::QueryOrFragment);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

/// Hides user info in the URL.
impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let authority = rest.split('/').next().unwrap_or_default();
        match authority.rsplit_once('@') {
            Some((user_info, _)) => {
                write!(f, "{scheme}://[secret]{}", rest.strip_prefix(user_info).unwrap_or_default())
            }
            None => f.write_str(&self.0),
        }
    }
}

/// Parses an `http` or `https` URL; refuses blanks, control and non-ASCII characters, which would be re-encoded.
pub(super) fn web_url(text: &str) -> Option<Url> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let (_, rest) = text.split_once("://")?;
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host() && !rest.starts_with('/');
    (plain && web).then_some(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::host_only("https://calls.example.com", "https://calls.example.com")]
    #[case::trailing_slash("https://calls.example.com/", "https://calls.example.com")]
    #[case::path_prefix("https://calls.example.com/twilio/", "https://calls.example.com/twilio")]
    #[case::case_is_kept("https://Calls.Example.com/Twilio", "https://Calls.Example.com/Twilio")]
    #[case::default_port_is_kept("https://calls.example.com:443", "https://calls.example.com:443")]
    #[case::user_info_is_kept("https://a:b@calls.example.com", "https://a:b@calls.example.com")]
    #[case::plain_http("http://127.0.0.1:3701", "http://127.0.0.1:3701")]
    #[case::encoding_is_kept("https://x.example/a%2Fb", "https://x.example/a%2Fb")]
    fn a_web_url_is_kept_as_written_apart_from_the_trailing_slash(#[case] text: &str, #[case] kept: &str) {
        assert_eq!(text.parse::<PublicUrl>().unwrap().as_str(), kept);
    }

    #[rstest]
    #[case::no_scheme("calls.example.com", PublicUrlError::NotWeb)]
    #[case::other_scheme("ftp://calls.example.com", PublicUrlError::NotWeb)]
    #[case::no_host("https://", PublicUrlError::NotWeb)]
    #[case::slashes_for_a_host("https:///calls", PublicUrlError::NotWeb)]
    #[case::blank_inside("https://calls.example.com/a b", PublicUrlError::NotWeb)]
    #[case::query("https://calls.example.com?a=1", PublicUrlError::QueryOrFragment)]
    #[case::fragment("https://calls.example.com#rc=2", PublicUrlError::QueryOrFragment)]
    fn anything_else_is_refused(#[case] text: &str, #[case] error: PublicUrlError) {
        assert_eq!(text.parse::<PublicUrl>(), Err(error));
    }

    #[rstest]
    #[case::absolute("/webhooks/twilio/sms", "https://x.example/twilio/webhooks/twilio/sms")]
    #[case::relative("a?b=%20c", "https://x.example/twilio/a?b=%20c")]
    #[case::double_slash_is_kept("//a", "https://x.example/twilio//a")]
    #[case::empty("", "https://x.example/twilio")]
    fn joining_touches_nothing_but_the_seam(#[case] path: &str, #[case] joined: &str) {
        let base: PublicUrl = "https://x.example/twilio".parse().unwrap();
        assert_eq!(base.join(path), joined);
    }

    #[test]
    fn debug_hides_the_user_info() {
        let url: PublicUrl = "https://user:hush@x.example/a".parse().unwrap();
        assert_eq!(format!("{url:?}"), "https://[secret]@x.example/a");
    }
}
