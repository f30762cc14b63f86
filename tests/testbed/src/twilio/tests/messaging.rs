//! Tests of Messaging Services.

use serde_json::Value;

use super::*;
use crate::sim::Rule;

#[tokio::test]
async fn services_their_senders_and_campaigns_are_paged_by_whole_urls() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let TwilioOptions { account_sid, .. } = TwilioOptions::default();
    sim.change_services(|services| {
        services.extend((0..3).map(|n| MessagingService {
            sid: format!("MG{n}"),
            account_sid: account_sid.clone(),
            senders: vec!["+15555551111".to_owned()],
            campaigns: vec!["VERIFIED".to_owned()],
            ..MessagingService::default()
        }));
        services.push(MessagingService { account_sid: "AC9".to_owned(), ..MessagingService::default() });
    });
    let first = list(&sim, "/v1/Services?PageSize=2").await?;
    assert_eq!((first["services"].as_array().map(Vec::len), &first["meta"]["key"]), (Some(2), &"services".into()));
    let next = first["meta"]["next_page_url"].as_str().unwrap_or_default();
    let second = list(&sim, next.strip_prefix(&sim.base_url()).unwrap_or_default()).await?;
    assert_eq!((&second["services"][0]["sid"], &second["meta"]["next_page_url"]), (&"MG2".into(), &Value::Null));
    assert_eq!(second["services"].as_array().map(Vec::len), Some(1), "those of others are not shown");
    let senders = list(&sim, "/v1/Services/MG1/PhoneNumbers").await?;
    assert_eq!(senders["phone_numbers"][0]["phone_number"], "+15555551111");
    let campaigns = list(&sim, "/v1/Services/MG1/Compliance/Usa2p").await?;
    assert_eq!(campaigns["compliance"][0]["campaign_status"], "VERIFIED");
    assert!(list(&sim, "/v1/Services/MG7").await.is_err());
    sim.add_rule(Rule::next(1, Fault::RespondToMessaging(Refusal::status(403))));
    assert!(list(&sim, "/v1/Services").await.is_err());
    assert!(list(&sim, "/v1/Services").await.is_ok());
    Ok(())
}
