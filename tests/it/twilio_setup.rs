//! `nevermisscall twilio configure` and `twilio check`: how numbers are set up at Twilio.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use nmc_testbed::sim::{Rule, Rules};
use nmc_testbed::twilio::{Fault, MessagingService, Refusal, TwilioOptions, new_account_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, OUR_NUMBER, PUBLIC_URL, business, run};
use crate::signatures::{OWN_TOKEN, TOKEN_KEY};

/// Numbers that libphonenumber counts as ordinary US ones.
const SECOND: &str = "+12125550111";
const THIRD: &str = "+12125550112";
const BRANCH: &str = "branch";

/// A service whose first business has two numbers in the main account, and whose second has one in its own.
struct Fleet {
    app: App,
    main: String,
    own: String,
}

/// What a command printed, and its exit status.
#[derive(Debug)]
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Fleet {
    async fn start() -> Self {
        let (main, own) = (TwilioOptions::default().account_sid, new_account_sid());
        let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).subaccount(&own, OWN_TOKEN).start().await;
        let fleet = Self { app, main, own };
        fleet.has(&fleet.main, [OUR_NUMBER, SECOND]);
        fleet.has(&fleet.own, [THIRD]);
        let mut first = business();
        first["phone_numbers"] = json!([OUR_NUMBER, SECOND]);
        fleet.app.put_business(BUSINESS, &first).await;
        let mut second = business();
        second["phone_numbers"] = json!([THIRD]);
        second["forward_to"] = json!("+15555557002");
        second["twilio"] = json!({ "account_sid": fleet.own, "auth_token": OWN_TOKEN });
        fleet.app.put_business(BRANCH, &second).await;
        fleet
    }

    /// Lets an account have exactly these numbers.
    fn has<'a>(&self, account: &str, numbers: impl IntoIterator<Item = &'a str>) {
        let numbers: BTreeSet<String> = numbers.into_iter().map(str::to_owned).collect();
        self.app.servers.twilio.change_numbers(|all| drop(all.of_account.insert(account.to_owned(), numbers)));
    }

    async fn twilio(&self, arguments: &[&str]) -> Said {
        let key = ("NMC_TOKEN_KEY".to_owned(), TOKEN_KEY.to_owned());
        let output = run(&[&["twilio"][..], arguments].concat(), &self.app.servers.settings(&[key])).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = Said {
            status: output.status.code().expect("a status"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        for secret in [OWN_TOKEN, &TwilioOptions::default().auth_token] {
            assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "{said:?}");
        }
        said
    }

    /// A file that does not exist yet.
    fn file(&self, name: &str) -> String {
        self.app.servers.dir().join(name).display().to_string()
    }

    fn at_twilio(&self, account: &str, number: &str) -> Value {
        self.app.servers.twilio.number(account, number)
    }

    /// All three numbers as Twilio has them.
    fn all_at_twilio(&self) -> [Value; 3] {
        [self.at_twilio(&self.main, OUR_NUMBER), self.at_twilio(&self.main, SECOND), self.at_twilio(&self.own, THIRD)]
    }

    fn updates(&self) -> u64 {
        self.app.servers.twilio.requests().get("number_updated").copied().unwrap_or_default()
    }

    /// Puts numbers into a Messaging Service of the main account.
    fn service(&self, service: MessagingService) {
        let sid = format!("MG{:032x}", 1);
        let service = MessagingService { sid, account_sid: self.main.clone(), ..service };
        self.app.servers.twilio.change_services(|services| services.push(service));
    }
}

fn result_of<'a>(json: &'a Value, number: &str) -> &'a Value {
    let mut numbers = json["numbers"].as_array().expect("numbers").iter();
    numbers.find(|entry| entry["number"] == number).unwrap_or_else(|| panic!("{number} in {json:#}"))
}

fn is_set_up(number: &Value) {
    let (call, sms) = (format!("{PUBLIC_URL}/webhooks/twilio/call"), format!("{PUBLIC_URL}/webhooks/twilio/sms"));
    for (field, value) in [
        ("voice_url", &call),
        ("voice_fallback_url", &call),
        ("status_callback", &call),
        ("sms_url", &sms),
        ("sms_fallback_url", &sms),
    ] {
        assert_eq!(number[field], **value, "{field} in {number:#}");
    }
    for field in ["voice_method", "voice_fallback_method", "status_callback_method", "sms_method"] {
        assert_eq!(number[field], "POST", "{field}");
    }
}

#[tokio::test]
async fn numbers_are_shown_then_set_up_then_put_back_as_they_were() {
    let fleet = Fleet::start().await;
    let before_settings = [("voice_url", "https://old.example/call?key=hush"), ("voice_method", "GET")];
    fleet.app.servers.twilio.set_number(&fleet.main, OUR_NUMBER, &before_settings);
    let before = fleet.all_at_twilio();

    let plan = fleet.twilio(&["configure"]).await;
    assert_eq!(plan.status, 0, "{plan:?}");
    let shown = [
        format!("{OUR_NUMBER}  {BUSINESS}  {}  to be changed", fleet.main),
        format!("    voice_url: \"https://old.example/call?key=hush\" → \"{PUBLIC_URL}/webhooks/twilio/call\""),
        "    voice_method: \"GET\" → \"POST\"".to_owned(),
        format!("{THIRD}  {BRANCH}  {}  to be changed", fleet.own),
        "3 numbers: 3 to be changed".to_owned(),
        "nothing is changed: --apply does it".to_owned(),
    ];
    for line in shown {
        assert!(plan.stdout.lines().any(|shown| shown == line), "{line}: {}", plan.stdout);
    }
    assert_eq!((fleet.all_at_twilio(), fleet.updates()), (before.clone(), 0));

    let saved = fleet.file("before.json");
    let applied = fleet.twilio(&["configure", "--apply", "--save", &saved, "--json"]).await;
    assert_eq!((applied.status, &applied.json()["ok"]), (0, &json!(true)), "{applied:?}");
    assert_eq!((&applied.json()["saved"], &applied.json()["applied"]), (&json!(saved), &json!(true)));
    fleet.all_at_twilio().iter().for_each(is_set_up);
    let mode = std::fs::metadata(&saved).unwrap().permissions().mode() & 0o777;
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&saved).unwrap()).unwrap();
    assert_eq!((mode, written["numbers"].as_array().map(Vec::len)), (0o600, Some(3)));

    let again = fleet.twilio(&["configure", "--apply", "--json"]).await;
    assert_eq!((again.status, &again.json()["saved"], fleet.updates()), (0, &Value::Null, 3), "{again:?}");
    assert_eq!(result_of(&again.json(), SECOND)["result"], "same");

    // Not over the file that is still needed.
    let refused = fleet.twilio(&["configure", "--restore", &saved, "--save", &saved]).await;
    assert!(refused.status == 1 && refused.stderr.contains("nothing is changed"), "{refused:?}");
    let restored = fleet.twilio(&["configure", "--restore", &saved, "--save", &fleet.file("after.json")]).await;
    assert_eq!(restored.status, 0, "{restored:?}");
    assert_eq!(fleet.all_at_twilio(), before);
}

#[tokio::test]
async fn only_what_is_meant_is_changed() {
    let fleet = Fleet::start().await;
    let save = fleet.file("one.json");
    let one = fleet.twilio(&["configure", "--apply", "--number", SECOND, "--save", &save, "--json"]).await;
    assert_eq!((one.status, one.json()["numbers"].as_array().map(Vec::len)), (0, Some(1)), "{one:?}");
    is_set_up(&fleet.at_twilio(&fleet.main, SECOND));
    assert_eq!(fleet.at_twilio(&fleet.main, OUR_NUMBER)["voice_url"], "");
    let (save, other) = (fleet.file("two.json"), "https://other.example.com");
    let branch = ["configure", "--apply", "--business", BRANCH, "--fallback-url", other, "--save", &save];
    assert_eq!(fleet.twilio(&branch).await.status, 0);
    let third = fleet.at_twilio(&fleet.own, THIRD);
    assert_eq!(third["sms_fallback_url"], format!("{other}/webhooks/twilio/sms"));
    assert_eq!(third["sms_url"], format!("{PUBLIC_URL}/webhooks/twilio/sms"));
    assert_eq!(fleet.updates(), 2);
}

#[rstest]
#[case::a_business(&["--business", "nobody"], "--business nobody: there is no such business")]
#[case::a_number(&["--number", "+12125550199"], "--number +12125550199: no business that is meant has it")]
#[case::of_another(&["--business", BRANCH, "--number", SECOND], "no business that is meant has it")]
#[case::no_file(&["--restore", "/nonexistent.json"], "--restore /nonexistent.json")]
#[tokio::test]
async fn what_there_is_not_is_named(#[case] arguments: &[&str], #[case] says: &str) {
    let fleet = Fleet::start().await;
    let said = fleet.twilio(&[&["configure"][..], arguments].concat()).await;
    assert!(said.status == 1 && said.stderr.contains(says), "{said:?}");
}

#[tokio::test]
async fn a_configuration_that_is_not_complete_has_the_exit_status_of_every_command() {
    let output = run(&["twilio", "check"], &[]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("TWILIO_ACCOUNT_SID: missing"));
}

#[tokio::test]
async fn what_an_app_or_a_messaging_service_handles_is_shown_and_not_overwritten() {
    let fleet = Fleet::start().await;
    let app_sid = format!("AP{:032x}", 7);
    fleet.app.servers.twilio.set_number(&fleet.main, SECOND, &[("voice_application_sid", &app_sid)]);
    fleet.service(MessagingService {
        friendly_name: "Newsletter".to_owned(),
        inbound_request_url: Some("https://news.example/in".to_owned()),
        senders: vec![OUR_NUMBER.to_owned()],
        ..MessagingService::default()
    });
    let save = fleet.file("handled.json");
    let said = fleet.twilio(&["configure", "--apply", "--save", &save]).await;
    assert_eq!(said.status, 1, "calls and texts of two numbers do not reach the service: {said:?}");
    for line in [
        format!("    LEFT: calls are handled by the TwiML app {app_sid}"),
        "(Newsletter), which posts them to https://news.example/in".to_owned(),
        "3 numbers: 3 changed, 2 with something left alone".to_owned(),
    ] {
        assert!(said.stdout.contains(&line), "{line}: {}", said.stdout);
    }
    let (first, second) = (fleet.at_twilio(&fleet.main, OUR_NUMBER), fleet.at_twilio(&fleet.main, SECOND));
    assert_eq!((&second["voice_application_sid"], &second["voice_url"]), (&json!(app_sid), &json!("")));
    assert_eq!((&first["sms_url"], first["voice_url"].as_str().map(str::is_empty)), (&json!(""), Some(false)));
    assert_eq!(second["sms_url"], format!("{PUBLIC_URL}/webhooks/twilio/sms"));

    let check = fleet.twilio(&["check"]).await;
    assert!(check.status == 1 && check.stdout.contains("Newsletter") && check.stdout.contains(&app_sid), "{check:?}");

    // A service that lets the number decide is no obstacle; an app gives way on request only.
    fleet.app.servers.twilio.change_services(|services| services[0].use_inbound_webhook_on_number = true);
    let with_app = fleet.file("apps.json");
    let said = fleet.twilio(&["configure", "--apply", "--replace-apps", "--save", &with_app, "--json"]).await;
    assert_eq!(said.status, 0, "{said:?}");
    fleet.all_at_twilio().iter().for_each(is_set_up);
    let restored = fleet.twilio(&["configure", "--restore", &with_app, "--save", &fleet.file("again.json")]).await;
    assert_eq!(restored.status, 0, "{restored:?}");
    assert_eq!(fleet.at_twilio(&fleet.main, SECOND)["voice_application_sid"], json!(app_sid));
}

#[tokio::test]
async fn a_number_that_fails_is_named_and_the_others_go_on() {
    let fleet = Fleet::start().await;
    let refusal = Rule::always(Fault::RespondToNumberUpdate(Refusal::code(21402))).to(OUR_NUMBER);
    fleet.app.servers.twilio.add_rule(refusal);
    fleet.has(&fleet.own, []);
    let said = fleet.twilio(&["configure", "--apply", "--save", &fleet.file("partly.json"), "--json"]).await;
    let json = said.json();
    assert_eq!((said.status, &json["ok"]), (1, &json!(false)), "{said:?}");
    let failed = result_of(&json, OUR_NUMBER);
    assert_eq!(failed["result"], "failed");
    assert!(failed["message"].as_str().is_some_and(|why| why.contains("code 21402")), "{failed}");
    let missing = result_of(&json, THIRD)["message"].as_str().unwrap_or_default();
    assert!(missing.contains(&format!("not in the account {}", fleet.own)), "{missing}");
    assert_eq!(result_of(&json, SECOND)["result"], "changed");
    is_set_up(&fleet.at_twilio(&fleet.main, SECOND));

    fleet.app.servers.twilio.change_faults(|faults| faults.rules = Rules::default());
    fleet.has(&fleet.own, [THIRD]);
    let said = fleet.twilio(&["configure", "--apply", "--save", &fleet.file("rest.json"), "--json"]).await;
    assert_eq!((said.status, &result_of(&said.json(), SECOND)["result"]), (0, &json!("same")), "{said:?}");
    fleet.all_at_twilio().iter().for_each(is_set_up);
}

#[tokio::test]
async fn an_account_that_refuses_us_stops_only_its_own_numbers() {
    let fleet = Fleet::start().await;
    fleet.app.servers.twilio.set_account(&fleet.own, "a token of later");
    let said = fleet.twilio(&["configure", "--apply", "--save", &fleet.file("one.json"), "--json"]).await;
    let failed = result_of(&said.json(), THIRD)["message"].as_str().unwrap_or_default().to_owned();
    assert!(said.status == 1 && failed.contains("status 401, code 20003"), "{said:?}");
    is_set_up(&fleet.at_twilio(&fleet.main, OUR_NUMBER));
    let check = fleet.twilio(&["check", "--business", BRANCH]).await;
    let lines: Vec<&str> = check.stdout.lines().collect();
    assert_eq!((check.status, lines.len()), (1, 2), "{check:?}");
    assert!(lines[0].starts_with(&format!("FAILED       account       {}", fleet.own)), "{lines:?}");
    assert!(lines[1].starts_with(&format!("not checked  number        {THIRD}")), "{lines:?}");
}

#[tokio::test]
async fn a_number_on_a_later_page_is_found() {
    let fleet = Fleet::start().await;
    let others: Vec<String> = (0..450).map(|n| format!("+1212556{n:04}")).collect();
    // Behind all others in Twilio's order.
    fleet.has(&fleet.main, others.iter().map(String::as_str).chain([OUR_NUMBER, SECOND]));
    let said = fleet.twilio(&["configure", "--number", OUR_NUMBER, "--json"]).await;
    assert_eq!((said.status, &result_of(&said.json(), OUR_NUMBER)["result"]), (0, &json!("planned")), "{said:?}");
}

/// The lines of a check by number and subject.
fn line<'a>(said: &'a Said, subject: &str, of: &str) -> &'a str {
    let mut lines = said.stdout.lines();
    let found = lines.find(|line| line[13..].starts_with(subject) && line[27..].starts_with(of));
    found.unwrap_or_else(|| panic!("{subject} of {of}: {}", said.stdout))
}

#[tokio::test]
async fn a_check_says_of_every_number_what_is_right_and_what_is_not() {
    let fleet = Fleet::start().await;
    let twilio = &fleet.app.servers.twilio;
    fleet.service(MessagingService {
        friendly_name: "Plumbers".to_owned(),
        use_inbound_webhook_on_number: true,
        senders: vec![OUR_NUMBER.to_owned(), SECOND.to_owned()],
        campaigns: vec!["VERIFIED".to_owned()],
        ..MessagingService::default()
    });
    let save = fleet.file("before.json");
    assert_eq!(fleet.twilio(&["configure", "--apply", "--save", &save]).await.status, 0);
    let said = fleet.twilio(&["check", "--business", BUSINESS]).await;
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(said.stdout.lines().count(), 7, "the account, and three lines for each number: {}", said.stdout);
    assert!(line(&said, "registration", SECOND).starts_with("ok "), "{}", said.stdout);

    twilio.set_number(&fleet.main, OUR_NUMBER, &[("sms_url", "https://elsewhere.example")]);
    twilio.change_numbers(|numbers| {
        numbers.lacking.insert(SECOND.to_owned(), ["sms".to_owned()].into());
        numbers.lacking.insert(THIRD.to_owned(), ["mms".to_owned()].into());
        let own = numbers.of_account.entry(fleet.own.clone()).or_default();
        own.extend(["+12125550113".to_owned(), "+12125550114".to_owned()]);
    });
    let ours = format!("{PUBLIC_URL}/webhooks/twilio/sms");
    twilio.set_number(&fleet.own, "+12125550114", &[("sms_url", &ours)]);
    twilio.change_services(|services| services[0].campaigns = vec!["PENDING".to_owned()]);
    twilio.set_account_status(&fleet.own, "suspended");
    let said = fleet.twilio(&["check"]).await;
    assert_eq!(said.status, 1);
    for (subject, of, begins, says) in [
        ("account", fleet.main.as_str(), "ok", "active"),
        ("account", &fleet.own, "FAILED", "it is suspended"),
        ("webhooks", OUR_NUMBER, "FAILED", "sms_url: \"https://elsewhere.example\" → "),
        ("webhooks", SECOND, "ok", "posted to the service"),
        ("capabilities", OUR_NUMBER, "ok", "MMS"),
        ("capabilities", SECOND, "FAILED", "cannot do SMS"),
        ("capabilities", THIRD, "note", "no MMS"),
        ("registration", OUR_NUMBER, "FAILED", "Plumbers is PENDING"),
        ("registration", THIRD, "FAILED", "in no Messaging Service"),
        ("unused", "+12125550113", "note", "no business has it"),
        ("unused", "+12125550114", "FAILED", "posts to the service, and no business has it"),
    ] {
        let line = line(&said, subject, of);
        assert!(line.starts_with(begins) && line.contains(says), "{begins}, {says}: {line}");
    }
    let json = fleet.twilio(&["check", "--json"]).await.json();
    let failed = json["checks"].as_array().expect("checks").iter().filter(|check| check["result"] == "FAILED");
    assert!(json["ok"] == false && failed.clone().all(|check| check["advice"].is_string()), "{json:#}");
    assert_eq!(failed.count(), 7, "{json:#}");
}

#[tokio::test]
async fn what_cannot_be_read_is_not_counted_as_wrong() {
    let fleet = Fleet::start().await;
    let save = fleet.file("before.json");
    let refused = Rule::always(Fault::RespondToMessaging(Refusal::status(403)));
    fleet.app.servers.twilio.add_rule(refused);
    let said = fleet.twilio(&["configure", "--apply", "--save", &save]).await;
    assert!(said.status == 0 && said.stderr.contains("Messaging Services cannot be read"), "{said:?}");
    let said = fleet.twilio(&["check"]).await;
    assert_eq!(said.status, 0, "{said:?}");
    assert!(line(&said, "registration", SECOND).starts_with("not checked "), "{}", said.stdout);
    assert!(line(&said, "webhooks", SECOND).starts_with("note "), "{}", said.stdout);
}

#[tokio::test]
async fn a_number_that_is_not_in_its_account_is_wrong() {
    let fleet = Fleet::start().await;
    fleet.has(&fleet.main, [OUR_NUMBER]);
    let said = fleet.twilio(&["check", "--number", SECOND]).await;
    assert_eq!(said.status, 1);
    assert!(line(&said, "number", SECOND).contains(&format!("it is not in the account {}", fleet.main)), "{said:?}");
}
