//! Attachments: stored with the message, passed to DispatchBot, and fetched through the API without Twilio's
//! credentials.

use nevermisscall::internals::{KeyScope, Store, hash_api_key};
use nmc_testbed::sim::{Rule, http_client};
use nmc_testbed::twilio::webhooks::params;
use nmc_testbed::twilio::{Fault, Media, Refusal, Text, TwilioOptions, new_account_sid, new_mms_sid};
use reqwest::header::HeaderMap;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{API_KEY, App, BUSINESS, CUSTOMER, OUR_NUMBER, PATIENCE, business, spawn_app};

/// Not valid text: the bytes must arrive unchanged.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\xff\xfe";
/// The maximum size of an attachment in bytes.
const MAX: usize = 16 * 1024 * 1024;

/// A response that need not be JSON.
struct Fetched {
    status: u16,
    headers: HeaderMap,
    body: reqwest::Result<Vec<u8>>,
}

impl Fetched {
    fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Status, code and message of an error.
    fn error(&self) -> (u16, String, String) {
        let body: Value = serde_json::from_slice(self.body.as_ref().unwrap()).expect("JSON");
        let word = |field: &str| body["error"][field].as_str().unwrap_or_default().to_owned();
        (self.status, word("code"), word("message"))
    }
}

async fn fetch(app: &App, path: &str) -> Fetched {
    fetch_as(app, API_KEY, path).await
}

async fn fetch_as(app: &App, key: &str, path: &str) -> Fetched {
    let http = http_client(PATIENCE).unwrap();
    let answer = http.get(format!("{}{path}", app.rest.base())).bearer_auth(key).send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Fetched { status, headers, body: answer.bytes().await.map(|bytes| bytes.to_vec()) }
}

fn mms(body: &str, media: Vec<Media>) -> Text {
    Text { from: CUSTOMER.to_owned(), to: OUR_NUMBER.to_owned(), body: body.to_owned(), media, account_sid: None }
}

/// The customer sends attachments; returns their path in the API.
async fn sent(app: &App, media: Vec<Media>) -> String {
    let sent = app.servers.twilio.deliver(mms("", media)).await.expect("an answer");
    assert_eq!(sent.webhook.status, 200, "{}", sent.webhook.twiml);
    path_of(app, &sent.message_sid).await
}

/// The same for an attachment on another server.
async fn sent_from_elsewhere(app: &App, url: &str) -> String {
    let (client, sid) = (app.webhook(), new_mms_sid());
    let mut params = params::sms(client.account_sid(), &sid, CUSTOMER, OUR_NUMBER, "");
    params::attach(&mut params, &[(url.to_owned(), "image/png".to_owned())]);
    assert_eq!(client.post("/webhooks/twilio/sms", &params).await.unwrap().status, 200);
    path_of(app, &sid).await
}

async fn path_of(app: &App, message_sid: &str) -> String {
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    let messages = app.messages_of(CUSTOMER).await;
    let message = messages.iter().find(|message| message["twilio_sid"] == message_sid).expect("the message");
    let id = |field: &str| message[field].as_str().unwrap().to_owned();
    format!("/conversations/{}/messages/{}/media", id("conversation_id"), id("id"))
}

#[tokio::test]
async fn several_are_kept_with_the_message_and_shown_to_dispatchbot() {
    let app = spawn_app().await;
    let types = ["image/png", "image/jpeg", "video/3gpp", "text/vcard"];
    let media = types.map(|content_type| Media::new(content_type, PICTURE)).to_vec();
    let sent = app.servers.twilio.deliver(mms("Look at this", media)).await.unwrap();
    let expected: Vec<_> = std::iter::zip(&sent.media_urls, types)
        .map(|(url, content_type)| json!({ "url": url, "content_type": content_type }))
        .collect();
    let asked = app.wait_for_questions(1).await;
    assert_eq!(asked[0]["messages"][0]["media"], json!(expected));
    let messages = app.messages_of(CUSTOMER).await;
    let kept = messages.iter().find(|message| message["twilio_sid"] == sent.message_sid).unwrap();
    assert_eq!((&kept["body"], &kept["media"]), (&json!("Look at this"), &json!(expected)));
}

#[tokio::test]
async fn each_is_fetched_byte_for_byte_and_is_for_saving() {
    let app = spawn_app().await;
    let path = sent(&app, vec![Media::new("image/png", PICTURE), Media::new("audio/ogg; codecs=opus", "sound")]).await;
    for (n, content_type, body) in [(0, "image/png", PICTURE), (1, "audio/ogg; codecs=opus", b"sound")] {
        let fetched = fetch(&app, &format!("{path}/{n}")).await;
        assert_eq!((fetched.status, fetched.body.as_deref().unwrap()), (200, body), "{n}");
        let length = body.len().to_string();
        for (name, value) in [
            ("content-type", content_type),
            ("content-length", &length),
            ("x-content-type-options", "nosniff"),
            ("content-disposition", "attachment"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(fetched.header(name), [value], "{name}");
        }
    }
}

#[tokio::test]
async fn the_credentials_are_for_the_api_alone() {
    let app = spawn_app().await;
    let path = sent(&app, vec![Media::new("image/png", PICTURE)]).await;
    let fetched = fetch(&app, &format!("{path}/0")).await;
    assert_eq!(fetched.status, 200);
    let asked = app.servers.twilio.media_requests();
    let seen: Vec<_> = asked.iter().map(|request| (request.host.clone(), request.account_sid.clone())).collect();
    let port = app.servers.twilio.base_url().rsplit(':').next().unwrap().to_owned();
    let account_sid = TwilioOptions::default().account_sid;
    assert_eq!(seen, [(format!("127.0.0.1:{port}"), Some(account_sid)), (format!("localhost:{port}"), None)]);
    let headers = format!("{:?}", fetched.headers).to_lowercase();
    let secrets = [TwilioOptions::default().auth_token, TwilioOptions::default().account_sid, "basic".to_owned()];
    assert!(secrets.iter().all(|secret| !headers.contains(&secret.to_lowercase())), "{headers}");
    assert!(!headers.contains("location"), "{headers}");
}

#[tokio::test]
async fn a_business_with_an_account_of_its_own_has_its_media_fetched_with_that() {
    let (sid, token) = (new_account_sid(), "a-token-of-its-own");
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let app = App::setup().set("NMC_TOKEN_KEY", key).subaccount(&sid, token).start().await;
    let mut own = business();
    own["phone_numbers"] = json!(["+15555557777"]);
    own["twilio"] = json!({ "account_sid": sid, "auth_token": token });
    app.put_business("anns-locks", &own).await;
    let text = Text {
        to: "+15555557777".to_owned(),
        account_sid: Some(sid.clone()),
        ..mms("", vec![Media::new("image/png", PICTURE)])
    };
    let sent = app.servers.twilio.deliver(text).await.unwrap();
    let fetched = fetch(&app, &format!("{}/0", path_of(&app, &sent.message_sid).await)).await;
    assert_eq!((fetched.status, fetched.body.as_deref().unwrap()), (200, PICTURE));
    assert_eq!(app.servers.twilio.media_requests()[0].account_sid, Some(sid));
}

#[rstest]
#[case::somebody("https://evil.example/2010-04-01/Accounts/{account}/Messages/MM1/Media/ME1")]
#[case::metadata("http://169.254.169.254/latest/meta-data")]
#[case::another_name_for_the_api("http://localhost:{port}/2010-04-01/Accounts/{account}/Messages/MM1/Media/ME1")]
#[case::something_else_at_the_api("http://127.0.0.1:{port}/2010-04-01/Accounts/{account}/Messages.json")]
#[case::no_url("look at my picture")]
#[tokio::test]
async fn who_is_not_twilio_is_not_asked(#[case] url: &str) {
    let app = spawn_app().await;
    let port = app.servers.twilio.base_url().rsplit(':').next().unwrap().to_owned();
    let url = url.replace("{port}", &port).replace("{account}", app.webhook().account_sid());
    let path = sent_from_elsewhere(&app, &url).await;
    let error = fetch(&app, &format!("{path}/0")).await.error();
    let why = "there is no such media: its URL is not an attachment URL of Twilio";
    assert_eq!(error, (404, "NOT_FOUND".to_owned(), why.to_owned()));
    assert_eq!(app.servers.twilio.media_requests(), []);
    let listed = app.servers.twilio.requests();
    assert!(!listed.contains_key("listed"), "{listed:?}");
}

#[tokio::test]
async fn an_attachment_whose_url_names_another_account_is_kept_and_never_requested() {
    let app = spawn_app().await;
    let url =
        format!("{}/2010-04-01/Accounts/{}/Messages/MM1/Media/ME1", app.servers.twilio.base_url(), new_account_sid());
    let path = sent_from_elsewhere(&app, &url).await;
    assert_eq!(app.messages_of(CUSTOMER).await[0]["media"][0]["url"], url);
    let (status, code, message) = fetch(&app, &format!("{path}/0")).await.error();
    assert_eq!((status, code.as_str()), (404, "NOT_FOUND"), "{message}");
    assert_eq!(app.servers.twilio.media_requests(), []);
}

#[tokio::test]
async fn nobody_is_followed_away_from_twilio() {
    let app = spawn_app().await;
    let elsewhere = format!("{}/somewhere", app.servers.dispatchbot.base_url());
    let path = sent(&app, vec![Media { led_to: Some(elsewhere), ..Media::new("image/png", PICTURE) }]).await;
    let (status, code, message) = fetch(&app, &format!("{path}/0")).await.error();
    assert_eq!((status, code.as_str()), (404, "NOT_FOUND"), "{message}");
    assert!(message.ends_with("its URL is not an attachment URL of Twilio"), "{message}");
    assert_eq!(app.servers.twilio.media_requests().len(), 1);
}

#[tokio::test]
async fn what_is_too_large_is_not_let_through() {
    let app = spawn_app().await;
    let large = vec![b'x'; MAX + 1];
    let untold = Media { chunked: true, ..Media::new("video/mp4", large.clone()) };
    let most = Media { chunked: true, ..Media::new("video/mp4", &large[..MAX]) };
    let path = sent(&app, vec![Media::new("video/mp4", large), untold, most]).await;
    for n in [0, 1] {
        let error = fetch(&app, &format!("{path}/{n}")).await.error();
        let why = "there is no such media: it is larger than 16 MiB";
        assert_eq!(error, (404, "NOT_FOUND".to_owned(), why.to_owned()), "{n}");
    }
    let most = fetch(&app, &format!("{path}/2")).await;
    assert_eq!(
        (most.header("content-length"), most.body.as_ref().unwrap().len()),
        (vec![MAX.to_string().as_str()], MAX)
    );
}

#[tokio::test]
async fn a_part_is_not_taken_for_the_whole() {
    let app = spawn_app().await;
    let path = sent(&app, vec![Media { torn: true, ..Media::new("image/png", PICTURE) }]).await;
    let fetched = fetch(&app, &format!("{path}/0")).await;
    assert_eq!(
        (fetched.status, fetched.header("content-length")),
        (200, vec![(2 * PICTURE.len()).to_string().as_str()])
    );
    assert!(fetched.body.is_err());
}

#[rstest]
#[case::a_page("text/html")]
#[case::a_picture_with_scripts("image/svg+xml")]
#[case::data("application/json")]
#[tokio::test]
async fn what_twilio_does_not_carry_is_not_let_through(#[case] content_type: &str) {
    let app = spawn_app().await;
    let path = sent(&app, vec![Media::new(content_type, "<script>")]).await;
    let error = fetch(&app, &format!("{path}/0")).await.error();
    let why = "there is no such media: Twilio does not support its content type";
    assert_eq!(error, (404, "NOT_FOUND".to_owned(), why.to_owned()));
}

#[tokio::test]
async fn what_twilio_does_not_give_is_gone_or_worth_another_try() {
    let app = spawn_app().await;
    let path = format!("{}/0", sent(&app, vec![Media::new("image/png", PICTURE)]).await);
    for (status, expected, code) in [
        (404, 404, "NOT_FOUND"),
        (410, 404, "NOT_FOUND"),
        (429, 503, "UNAVAILABLE"),
        (500, 503, "UNAVAILABLE"),
        (401, 503, "UNAVAILABLE"),
    ] {
        app.servers.twilio.add_rule(Rule::next(1, Fault::RespondToMedia(Refusal::status(status))));
        let (answered, told, message) = fetch(&app, &path).await.error();
        assert_eq!((answered, told.as_str()), (expected, code), "{status}: {message}");
    }
    app.servers.twilio.down().await;
    let (status, code, message) = fetch(&app, &path).await.error();
    assert_eq!((status, code.as_str()), (503, "UNAVAILABLE"), "{message}");
    app.servers.twilio.up().await.unwrap();
    assert_eq!(fetch(&app, &path).await.status, 200);
}

#[tokio::test]
async fn what_there_is_not_is_404() {
    let app = spawn_app().await;
    let path = sent(&app, vec![Media::new("image/png", PICTURE)]).await;
    app.text("+12126660001", "Hello").await;
    app.wait_for_event_of("+12126660001", 1, "message.received").await;
    let other = app.conversation_of("+12126660001").await["id"].as_str().unwrap().to_owned();
    let nobody = "6e6d6300-7c1e-4f0a-9d53-4e657665724d";
    let mut parts = path.split('/').skip(2).step_by(2);
    let (id, message) = (parts.next().unwrap(), parts.next().unwrap());
    for path in [
        format!("{path}/1"),
        format!("{path}/-1"),
        format!("{path}/first"),
        format!("{path}/99999999999999999999"),
        format!("/conversations/{id}/messages/{nobody}/media/0"),
        format!("/conversations/{id}/messages/first/media/0"),
        format!("/conversations/{nobody}/messages/{message}/media/0"),
        // A message is not found through another conversation.
        format!("/conversations/{other}/messages/{message}/media/0"),
    ] {
        let (status, code, message) = fetch(&app, &path).await.error();
        assert_eq!((status, code.as_str()), (404, "NOT_FOUND"), "{path}: {message}");
    }
    assert_eq!(app.servers.twilio.media_requests(), []);
}

#[tokio::test]
async fn a_key_sees_the_attachments_of_its_own_businesses() {
    let app = spawn_app().await;
    let path = format!("{}/0", sent(&app, vec![Media::new("image/png", PICTURE)]).await);
    assert_eq!(fetch_as(&app, "wrong", &path).await.status, 401);
    let store = Store::lazy(app.servers.database.url()).unwrap();
    for (own, status) in [(BUSINESS, 200), ("anns-locks", 404)] {
        let scope = KeyScope {
            business_ids: Some(vec![own.to_owned()]),
            may_write: false,
            may_manage_numbers: false,
            rate: None,
            user_id: None,
        };
        store.create_api_key(own, &hash_api_key(own), &scope).await.unwrap();
        assert_eq!(fetch_as(&app, own, &path).await.status, status, "{own}");
    }
}
