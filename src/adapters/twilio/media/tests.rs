//! Tests of fetching, against a server with prepared replies. Which hosts may be requested is tested in
//! [`super::hosts`].
#![allow(clippy::unwrap_used)]

use futures::TryStreamExt;
use rstest::rstest;

use super::*;
use crate::adapters::http_client::{
    self,
    loopback::{Loopback, Reply, nobody},
};
use crate::config::Secret;

const PATH: &str = "/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1";

fn account() -> Account {
    Account { sid: "AC1".into(), token: Secret::new("hush") }
}

fn png(body: &str) -> Reply {
    Reply::Answer(200, "content-type: image/png\r\n", body.to_owned())
}

async fn fetch(api: &str) -> Result<FetchedMedia, MediaError> {
    let client = MediaClient::new(http_client::build().unwrap(), api, api, Duration::from_millis(300)).unwrap();
    client.fetch(&account(), &format!("{api}{PATH}"), "image/gif").await
}

/// The error of a fetch that must fail.
async fn refused(api: &str) -> MediaError {
    fetch(api).await.map(|media| media.length()).unwrap_err()
}

async fn bytes(media: FetchedMedia) -> Result<Vec<u8>, MediaError> {
    media.into_bytes().try_fold(Vec::new(), async |all, chunk| Ok([all, chunk.to_vec()].concat())).await
}

#[tokio::test]
async fn it_is_fetched_with_the_token_and_a_redirect_followed_without() {
    let redirect = Reply::Answer(307, "location: /cdn/1?signature=x\r\n", String::new());
    let mut server = Loopback::start([redirect, png("picture")]).await;
    let media = fetch(&server.url).await.unwrap();
    assert_eq!((media.content_type(), media.length()), ("image/png", 7));
    assert_eq!(bytes(media).await.unwrap(), b"picture");
    let asked = server.received();
    assert_eq!(asked[0].header("authorization"), Some("Basic QUMxOmh1c2g="));
    assert!(asked[1].head.starts_with("GET /cdn/1?signature=x "), "{}", asked[1].head);
    assert_eq!(asked[1].header("authorization"), None);
}

#[rstest]
#[case::not_found(Reply::Answer(404, "", String::new()), "Twilio does not have this attachment")]
#[case::deleted(Reply::Answer(410, "", String::new()), "Twilio does not have this attachment")]
#[case::a_page(
    Reply::Answer(200, "content-type: text/html\r\n", String::new()),
    "Twilio does not support its content type"
)]
#[case::led_away(
    Reply::Answer(302, "location: https://evil.example/\r\n", String::new()),
    "its URL is not an attachment URL of Twilio"
)]
#[case::led_nowhere(Reply::Answer(302, "", String::new()), "its URL is not an attachment URL of Twilio")]
#[case::broken(Reply::Answer(503, "", String::new()), "from Twilio: status 503")]
#[case::the_wrong_token(Reply::Answer(401, "", String::new()), "from Twilio: status 401")]
#[case::silent(Reply::Hang, "from Twilio: timeout")]
#[case::closed(Reply::Close, "from Twilio: error sending request")]
#[tokio::test]
async fn what_is_not_to_be_had_says_why(#[case] reply: Reply, #[case] why: &str) {
    let server = Loopback::start([reply]).await;
    let error = refused(&server.url).await.to_string();
    assert!(error.contains(why), "{error}");
    assert!(!error.contains("hush") && !error.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn nobody_at_home_is_away() {
    assert!(matches!(refused(&nobody().await).await, MediaError::Away(_)));
}

#[tokio::test]
async fn a_circle_of_redirects_is_left() {
    let round = || Reply::Answer(302, "location: /cdn/1\r\n", String::new());
    let mut server = Loopback::start(std::iter::repeat_with(round).take(9)).await;
    assert!(matches!(refused(&server.url).await, MediaError::Redirected));
    assert_eq!(server.received().len(), 1 + MAX_REDIRECTS);
}

#[tokio::test]
async fn a_type_that_is_not_told_is_the_one_that_came_with_the_message() {
    let server = Loopback::start([Reply::Answer(200, "", "picture".to_owned())]).await;
    assert_eq!(fetch(&server.url).await.unwrap().content_type(), "image/gif");
}

#[tokio::test]
async fn what_is_too_large_is_refused_unread() {
    let server = Loopback::start([png(&"x".repeat(MAX_BYTES as usize + 1))]).await;
    assert!(matches!(refused(&server.url).await, MediaError::TooLarge));
    let server = Loopback::start([png(&"x".repeat(MAX_BYTES as usize))]).await;
    assert_eq!(fetch(&server.url).await.unwrap().length(), MAX_BYTES);
}

#[tokio::test]
async fn what_breaks_off_is_an_error_and_not_an_end() {
    let server = Loopback::start([Reply::Break(200)]).await;
    let media = fetch(&server.url).await.unwrap();
    assert_eq!(media.length(), 100);
    assert!(matches!(bytes(media).await, Err(MediaError::Away(_))));
}
