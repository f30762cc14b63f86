//! `/console/`: the pages of `console/`, from bytes in this program. They use the REST API and the event stream like any other
//! client, so that nothing here needs a key.

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use poem::endpoint::make_sync;
use poem::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION};
use poem::http::{StatusCode, header};
use poem::{Endpoint, Request, Response, Route, get};
use sha2::{Digest, Sha256};

/// No script or style within a page, nothing from elsewhere, no frames, and no text that becomes markup. `blob:` is for
/// pictures from customers, which are read with the key.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Lists files of `console/`: `files!("path" type, …)`.
macro_rules! files {
    ($($path:literal $content_type:ident,)*) => {
        &[$(($path, $content_type, include_bytes!(concat!("../../console/", $path)))),*]
    };
}

/// Path, content type and content of each file.
const FILES: &[(&str, &str, &[u8])] = files! {
    "index.html" HTML,
    "style.css" STYLE,
    "icon.svg" PICTURE,
    "alarm.js" SCRIPT,
    "api.js" SCRIPT,
    "app.js" SCRIPT,
    "es.js" SCRIPT,
    "follow.js" SCRIPT,
    "form.js" SCRIPT,
    "format.js" SCRIPT,
    "i18n.js" SCRIPT,
    "loading.js" SCRIPT,
    "notices.js" SCRIPT,
    "order.js" SCRIPT,
    "segments.js" SCRIPT,
    "shortcuts.js" SCRIPT,
    "store.js" SCRIPT,
    "stream.js" SCRIPT,
    "ui.js" SCRIPT,
    "virtual.js" SCRIPT,
    "pages/business.js" SCRIPT,
    "pages/businesses.js" SCRIPT,
    "pages/chart.js" SCRIPT,
    "pages/commands.js" SCRIPT,
    "pages/conversation.js" SCRIPT,
    "pages/dead_letters.js" SCRIPT,
    "pages/emergencies.js" SCRIPT,
    "pages/hours.js" SCRIPT,
    "pages/inbox.js" SCRIPT,
    "pages/keys.js" SCRIPT,
    "pages/opt_outs.js" SCRIPT,
    "pages/owner_phone.js" SCRIPT,
    "pages/settings.js" SCRIPT,
    "pages/sign_in.js" SCRIPT,
    "pages/templates.js" SCRIPT,
    "pages/thread.js" SCRIPT,
    "pages/today.js" SCRIPT,
    "pages/twilio_check.js" SCRIPT,
    "pages/undelivered.js" SCRIPT,
    "vendor/hooks.js" SCRIPT,
    "vendor/preact.js" SCRIPT,
};

/// A file with its ETag.
struct Kept {
    path: &'static str,
    content_type: &'static str,
    etag: HeaderValue,
    bytes: Bytes,
}

static KEPT: LazyLock<Vec<Kept>> =
    LazyLock::new(|| FILES.iter().map(|(path, of, bytes)| keep(path, of, bytes)).collect());

fn keep(path: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Kept {
    let hash = HEXLOWER.encode(&Sha256::digest(bytes)[..16]);
    let etag = HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    Kept { path, content_type, etag, bytes: Bytes::from_static(bytes) }
}

/// Adds the routes of the console.
pub(super) fn routes(route: Route) -> Route {
    let mut route = route.at("/console", get(redirect()));
    for kept in KEPT.iter() {
        let path = if kept.path == "index.html" { "" } else { kept.path };
        route = route.at(format!("/console/{path}"), get(file(kept)));
    }
    route
}

/// To the address that the pages' relative references need; relative itself, because a proxy may have a prefix.
fn redirect() -> impl Endpoint<Output = Response> {
    make_sync(|_| Response::builder().status(StatusCode::PERMANENT_REDIRECT).header(LOCATION, "console/").finish())
}

fn file(kept: &'static Kept) -> impl Endpoint<Output = Response> {
    make_sync(move |request: Request| {
        let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let etag = kept.etag.to_str().unwrap_or_default();
        // A proxy that compresses makes an ETag weak.
        let is_known = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
        let answer = Response::builder()
            .header(ETAG, kept.etag.clone())
            // Asked again each time, so that a new version is used at once; the answer is mostly 304.
            .header(CACHE_CONTROL, "no-cache")
            .header(CONTENT_SECURITY_POLICY, POLICY)
            .header(header::CONTENT_TYPE, kept.content_type);
        if is_known { answer.status(StatusCode::NOT_MODIFIED).finish() } else { answer.body(kept.bytes.clone()) }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use poem::http::Uri;

    use super::*;

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("console")
    }

    /// The files below `console/` that browsers load.
    fn on_disk(within: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(folder().join(within)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| ["html", "css", "svg", "js"].iter().any(|of| name.ends_with(&format!(".{of}"))))
            .map(|name| format!("{within}{name}"))
            .collect()
    }

    async fn asked(path: &str, known: Option<&str>) -> Response {
        let uri = path.parse::<Uri>().unwrap();
        let request =
            known.iter().fold(Request::builder().uri(uri), |request, tag| request.header(IF_NONE_MATCH, *tag));
        routes(Route::new()).get_response(request.finish()).await
    }

    #[test]
    fn every_file_of_the_console_is_in_the_program() {
        let found: BTreeSet<String> = ["", "pages/", "vendor/"].iter().flat_map(|within| on_disk(within)).collect();
        let listed: BTreeSet<String> = FILES.iter().map(|(path, _, _)| (*path).to_owned()).collect();
        assert_eq!(found, listed);
    }

    /// Otherwise a browser would find each module only in the one that imports it, a round trip later.
    #[test]
    fn the_page_names_every_module_so_that_all_are_loaded_at_once() {
        let page = fs::read_to_string(folder().join("index.html")).unwrap();
        for (path, _, _) in FILES.iter().filter(|(path, of, _)| *of == SCRIPT && *path != "app.js") {
            assert!(page.contains(&format!("<link rel=\"modulepreload\" href=\"{path}\" />")), "{path}");
        }
    }

    #[tokio::test]
    async fn a_file_is_sent_once_and_then_known_by_its_etag() {
        let first = asked("/console/app.js", None).await;
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CONTENT_TYPE], SCRIPT);
        assert_eq!(first.headers()[CONTENT_SECURITY_POLICY], POLICY);
        let etag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for tag in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}")] {
            let again = asked("/console/app.js", Some(&tag)).await;
            assert_eq!(
                (again.status(), again.headers()[ETAG].to_str().unwrap()),
                (StatusCode::NOT_MODIFIED, etag.as_str())
            );
            assert!(again.into_body().into_bytes().await.unwrap().is_empty());
        }
        assert_eq!(asked("/console/app.js", Some("\"other\"")).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn the_address_without_a_slash_leads_to_the_page() {
        let answer = asked("/console", None).await;
        assert_eq!(
            (answer.status(), &answer.headers()[LOCATION]),
            (StatusCode::PERMANENT_REDIRECT, &"console/".parse().unwrap())
        );
        let page = asked("/console/", None).await;
        assert_eq!((page.status(), &page.headers()[header::CONTENT_TYPE]), (StatusCode::OK, &HTML.parse().unwrap()));
        assert_eq!(asked("/console/Cargo.toml", None).await.status(), StatusCode::NOT_FOUND);
    }
}
