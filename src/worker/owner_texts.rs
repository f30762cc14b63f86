//! Texts of the business's own side: the owner answers a customer, takes a conversation over, or asks what is open.
//!
//! What is done is chosen by the rules of [`crate::domain::owner`], and kept before it is done, so that a text that is
//! delivered again goes to the same conversation. It is an input of the engine under the id of the webhook, so that it is
//! done once; the answer to the phone is another one, behind it.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::Source;
use super::alert_answers::{AlertAnswered, answer_alert};
use super::too_early::TooEarly;
use super::webhooks::{ApplyWebhook, dead, input};
use crate::domain::business::Profile;
use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::conversation::{Input, OwnSideNote, OwnSideWhat, Ownership, Status};
use crate::domain::emergency::Language;
use crate::domain::owner::texts::Unchanged;
use crate::domain::owner::{self, Answer, Command, OpenConversation, OwnerSms, Plan, Said, Sender, Situation, texts};
use crate::domain::phone::PhoneNumber;
use crate::engine::{self, Applied, ConversationStore, Happening, Publish, TAKEOVER_WAIT, Target};
use crate::store::{OwnerText, OwnerView, StoreError};
use crate::stream::{DeadReason, FailureReason};
use crate::trace::Trace;
use crate::webhook::{Inbound, WebhookKind};

const OWN_NUMBER: DeadReason = DeadReason::new("own_number");
/// After this many texts within ten minutes, a phone gets answers to commands alone: two machines could talk to each other.
const MOST_ANSWERED: i64 = 20;
/// How soon it is looked again whether the AI's message at Twilio is finished.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The outcome of a conversation that the owner has ended by text.
const DONE: &str = "done";
/// The outcome of a conversation whose customer the owner has blocked.
const BLOCKED: &str = "blocked";

/// A text of the business's own side.
pub(super) struct OwnSideText<'a> {
    pub(super) inbound: &'a Inbound,
    pub(super) business: &'a Arc<Profile>,
    pub(super) phone: &'a PhoneNumber,
    pub(super) business_phone: &'a PhoneNumber,
    pub(super) body: &'a str,
    pub(super) has_media: bool,
    pub(super) opt_out_type: Option<&'a str>,
    pub(super) trace: &'a Trace,
    pub(super) early: TooEarly<'a>,
}

/// What is known of a text while it is carried out.
struct Heard<'a> {
    text: &'a OwnSideText<'a>,
    said: Said,
    open: Vec<OpenConversation>,
    /// Whether the phone may be answered.
    may_answer: bool,
}

/// The conversation that a text has changed, as the owner knows it.
struct Changed {
    id: Uuid,
    named: OpenConversation,
}

impl OwnSideText<'_> {
    fn notice_id(&self) -> String {
        format!("{}:notice", self.inbound.input_id)
    }

    /// The phone's own conversation with the business.
    fn own_conversation(&self) -> Target {
        let (business_phone, customer_phone) = (self.business_phone.clone(), self.phone.clone());
        Target::Open { business_phone, customer_phone, business: Arc::clone(self.business) }
    }

    fn note(&self, what: OwnSideWhat) -> Happening {
        Happening::Input(Input::OwnSide(OwnSideNote {
            phone: self.phone.clone(),
            business_phone: self.business_phone.clone(),
            own_account: self.inbound.signer.own_account.clone(),
            what,
        }))
    }

    fn sender(&self) -> Sender {
        if self.business.owner_phone() == self.phone { Sender::Owner } else { Sender::Contact }
    }

    fn retry(&self, error: impl std::error::Error + Send + Sync + 'static) -> FailureReason {
        self.early.retry(error)
    }
}

impl<R: ConversationStore, P: Publish, S: Source> ApplyWebhook<R, P, S> {
    /// Does what a text of the business's own side asks for, once, and answers it.
    pub(super) async fn own_side(&self, text: &OwnSideText<'_>) -> Result<(), FailureReason> {
        let business_cache = self.engine.business_cache();
        // A number of a business is no person's phone: what comes from there was written by a machine, perhaps ours.
        if business_cache.by_phone(text.phone).await.map_err(|e| text.retry(e))?.is_some() {
            return Err(dead(OWN_NUMBER, "the sender is a number of a business"));
        }
        let is_out = text.business.own_side.opted_out.contains(text.phone);
        match opt_word(text.body, text.opt_out_type, is_out) {
            Some(OptWord::Out { by }) if by != "sentence" => return self.opted(text, true).await,
            Some(OptWord::In) => return self.opted(text, false).await,
            // Twilio answers it, and nobody else may.
            Some(OptWord::Help) => return Ok(()),
            _ => {}
        }
        let said = owner::read(text.body, text.has_media);
        let is_read = text.business.policy.owner_sms() != OwnerSms::Off || said.command == Command::TakeAlert;
        if !is_read {
            return Err(dead(OWN_NUMBER, "the sender is the business itself"));
        }
        let store = self.engine.store();
        let notice_id = text.notice_id();
        if store.seen(&[&notice_id]).await.map_err(|e| text.retry(e))?.contains_key(&notice_id) {
            return self.answered_before(text).await;
        }
        let kept = OwnerText {
            input_id: &text.inbound.input_id,
            business_id: &text.business.id,
            phone: text.phone,
            body: text.body,
        };
        let at = text.inbound.received_at.min(self.engine.now());
        let view = store.owner_view(&kept, at).await.map_err(|e| text.retry(e))?;
        let OwnerView { plan, open, texts, same_words, ended_lately } = view;
        let open: Vec<OpenConversation> = open.iter().map(OpenConversation::of).collect();
        let plan = match plan {
            Some(plan) => plan,
            None => {
                let sender = text.sender();
                let situation = Situation { sender, open: &open, ended_lately, same_words, at };
                let plan = owner::plan(&said.command, &situation);
                let plan = store.keep_owner_plan(&kept, plan, at).await.map_err(|e| text.retry(e))?;
                crate::failpoint::hit("after_owner_plan");
                plan
            }
        };
        tracing::info!(business_id = text.business.id, plan = ?plan, "a text of the business's own side");
        let may_answer = !is_out && (texts < MOST_ANSWERED || is_command(&said.command));
        self.carry_out(&Heard { text, said, open, may_answer }, plan).await
    }

    /// Everything was done before. Its answer may still wait to be published.
    async fn answered_before(&self, text: &OwnSideText<'_>) -> Result<(), FailureReason> {
        let note = text.note(OwnSideWhat::Told { text: String::new(), about: "again" });
        let input = self.notice(text, text.own_conversation(), note);
        self.engine.apply(input).await.map(drop).map_err(|e| text.retry(e))
    }

    async fn carry_out(&self, heard: &Heard<'_>, plan: Plan) -> Result<(), FailureReason> {
        let text = heard.text;
        let user_id = text.business.user_id.clone();
        match plan {
            Plan::Nothing => Ok(()),
            Plan::Say { what } => self.tell(heard, what).await,
            Plan::Off | Plan::On => self.turn(heard, plan == Plan::Off).await,
            Plan::Reply { conversation, takes_over } => {
                let body = match &heard.said.command {
                    Command::Words { text, .. } => text.clone(),
                    _ => text.body.to_owned(),
                };
                self.reply(heard, conversation, takes_over, Input::UserReplied { user_id, body }).await
            }
            Plan::TakeOver { conversation } => {
                self.take(heard, conversation, Input::UserTookOver { user_id, reason: "sms".to_owned() }).await
            }
            Plan::TakeAlert => self.take_alert(heard).await,
            Plan::Release { conversation } => {
                let released = self.command(heard, conversation, Input::Released { user_id }).await?;
                self.answer_to(heard, conversation, released, "released", Unchanged::NotTaken, texts::released).await
            }
            Plan::Complete { conversation } => {
                let summary = match &heard.said.command {
                    Command::Done { summary, .. } => summary.clone(),
                    _ => None,
                };
                let completed = Input::Completed { user_id, outcome: DONE.to_owned(), summary };
                let completed = self.command(heard, conversation, completed).await?;
                self.answer_to(heard, conversation, completed, "completed", Unchanged::Over, texts::completed).await
            }
            Plan::Block { conversation } => self.block(heard, conversation, user_id).await,
        }
    }

    /// The owner's words go to the customer. They are confirmed where they take the conversation over.
    async fn reply(&self, heard: &Heard<'_>, id: Uuid, takes_over: bool, reply: Input) -> Result<(), FailureReason> {
        let replied = self.command(heard, id, reply).await?;
        let Some(changed) = self.changed(heard, id).await? else { return Ok(()) };
        let (language, OpenConversation { code, customer, .. }) = (heard.said.language, &changed.named);
        match replied {
            Done::Now => {
                let mut answer = Vec::new();
                if takes_over {
                    let in_flight = !self.ai_is_silent(heard, id).await?;
                    answer.push(texts::sent(*code, customer, in_flight, language));
                }
                if heard.text.has_media {
                    answer.push(texts::no_pictures(language).to_owned());
                }
                if answer.is_empty() { Ok(()) } else { self.told(heard, &changed, "sent", answer.join(" ")).await }
            }
            Done::Over => self.unchanged(heard, &changed, Unchanged::Over).await,
            Done::Nothing => self.unchanged(heard, &changed, Unchanged::MayNotWrite).await,
        }
    }

    /// The owner takes the conversation over. The acknowledgement goes out only when no message of the AI is at Twilio any
    /// more: after it, the AI is silent.
    async fn take(&self, heard: &Heard<'_>, id: Uuid, takeover: Input) -> Result<(), FailureReason> {
        let taken = self.command(heard, id, takeover).await?;
        let Some(changed) = self.changed(heard, id).await? else { return Ok(()) };
        if taken == Done::Over {
            return self.unchanged(heard, &changed, Unchanged::Over).await;
        }
        let in_flight = !self.ai_is_silent(heard, id).await?;
        // It may have been taken before, and given back since.
        let now = self.engine.store().conversation(id).await.map_err(|e| heard.text.retry(e))?;
        let is_owned = now.is_some_and(|now| now.status != Status::Completed && now.ownership == Ownership::User);
        let OpenConversation { code, customer, .. } = &changed.named;
        match taken {
            _ if !is_owned => self.unchanged(heard, &changed, Unchanged::NotTaken).await,
            Done::Now => {
                let answer = texts::taken(*code, customer, in_flight, heard.said.language);
                self.told(heard, &changed, "taken", answer).await
            }
            Done::Nothing | Done::Over => self.unchanged(heard, &changed, Unchanged::Taken).await,
        }
    }

    /// Whether no message of the AI is at Twilio; `false` if one still is half a minute after the text was received. Until
    /// then the text is given back, since the texts behind it must not wait for Twilio, too.
    async fn ai_is_silent(&self, heard: &Heard<'_>, id: Uuid) -> Result<bool, FailureReason> {
        let under_way = self.engine.store().ai_messages_under_way(id).await.map_err(|e| heard.text.retry(e))?;
        if under_way == 0 {
            return Ok(true);
        }
        let waits = self.engine.now() - heard.text.inbound.received_at;
        if waits >= TAKEOVER_WAIT {
            return Ok(false);
        }
        Err(FailureReason::wait(LOOK_AGAIN, "the message of the AI at Twilio is finished"))
    }

    /// The owner or a contact takes the emergency of the newest alert. The answer names it.
    async fn take_alert(&self, heard: &Heard<'_>) -> Result<(), FailureReason> {
        let text = heard.text;
        let (input_id, at) = (&text.inbound.input_id, text.inbound.received_at);
        let answered = answer_alert(&self.engine, text.business, text.phone, at, input_id, text.trace);
        let answered = answered.await.map_err(|e| text.retry(e))?;
        let words = answered.in_words(text.business, heard.said.language);
        let conversation = match &answered {
            AlertAnswered::Taken(conversation) => {
                self.ai_is_silent(heard, conversation.id).await?;
                conversation
            }
            AlertAnswered::ByAnother(conversation, _) => conversation,
            AlertAnswered::Nothing => return self.told_apart(heard, "no_alert", words).await,
        };
        let changed = Changed { id: conversation.id, named: OpenConversation::of(conversation) };
        self.told(heard, &changed, "alert_answered", words).await
    }

    async fn block(&self, heard: &Heard<'_>, id: Uuid, user_id: String) -> Result<(), FailureReason> {
        let text = heard.text;
        let Some(changed) = self.changed(heard, id).await? else { return Ok(()) };
        let (store, business_id) = (self.engine.store(), &text.business.id);
        match store.add_never_text(business_id, &changed.named.customer).await {
            Ok(_) => self.engine.business_cache().forget_all(),
            Err(StoreError::Invalid { .. }) => {
                let answer = texts::not_blocked(heard.said.language).to_owned();
                return self.told(heard, &changed, "not_blocked", answer).await;
            }
            Err(error) => return Err(text.retry(error)),
        }
        let ended = Input::Completed { user_id, outcome: BLOCKED.to_owned(), summary: None };
        self.command(heard, id, ended).await?;
        let answer = texts::blocked(changed.named.code, &changed.named.customer, heard.said.language);
        self.told(heard, &changed, "blocked", answer).await
    }

    /// The owner is away, or back.
    async fn turn(&self, heard: &Heard<'_>, off: bool) -> Result<(), FailureReason> {
        let (text, language) = (heard.text, heard.said.language);
        let (store, at) = (self.engine.store(), text.inbound.received_at);
        store.set_owner_off(&text.business.id, off, at).await.map_err(|e| text.retry(e))?;
        self.engine.business_cache().forget_all();
        let (about, answer) = if off { ("off", texts::off(language)) } else { ("on", texts::on(language)) };
        self.told_apart(heard, about, answer.to_owned()).await
    }

    async fn tell(&self, heard: &Heard<'_>, what: Answer) -> Result<(), FailureReason> {
        self.told_apart(heard, what.as_str(), texts::answer(what, &heard.open, heard.said.language)).await
    }

    /// Records that the phone wants no texts, or wants them again. Twilio answers it, and nobody else may.
    async fn opted(&self, text: &OwnSideText<'_>, out: bool) -> Result<(), FailureReason> {
        let at = text.inbound.received_at;
        let what = if out { OwnSideWhat::OptedOut { at } } else { OwnSideWhat::OptedIn { at } };
        let opted = input(text.inbound, text.trace.clone(), text.own_conversation(), text.note(what));
        let applied = self.engine.apply(opted).await.map_err(|e| text.retry(e))?;
        self.engine.business_cache().forget_all();
        match applied {
            Applied::Before { same_body } => self.same(same_body, WebhookKind::Sms),
            Applied::Now(_) | Applied::Nothing { .. } => Ok(()),
        }
    }
}

/// Whether a text is one that no machine writes.
fn is_command(command: &Command) -> bool {
    match command {
        Command::Take(_)
        | Command::Release(_)
        | Command::Done { .. }
        | Command::Block(_)
        | Command::Off
        | Command::On
        | Command::TakeAlert
        | Command::WordAndMore(_)
        | Command::Words { code: Some(_), .. } => true,
        Command::List
        | Command::Help
        | Command::Words { code: None, .. }
        | Command::Picture
        | Command::Stop
        | Command::Nothing => false,
    }
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// It is carried out, now or before.
    Now,
    /// The conversation has ended.
    Over,
    /// It changed nothing.
    Nothing,
}

impl<R: ConversationStore, P: Publish, S: Source> ApplyWebhook<R, P, S> {
    /// Carries out a command under the id of the text.
    async fn command(&self, heard: &Heard<'_>, id: Uuid, command: Input) -> Result<Done, FailureReason> {
        let text = heard.text;
        let command = input(text.inbound, text.trace.clone(), Target::Id(id), Happening::Input(command));
        let applied = self.engine.apply(command).await.map_err(|e| text.retry(e))?;
        match applied {
            Applied::Before { same_body } => self.same(same_body, WebhookKind::Sms).map(|()| Done::Now),
            Applied::Now(_) => Ok(Done::Now),
            Applied::Nothing { status: None | Some(Status::Completed) } => Ok(Done::Over),
            Applied::Nothing { .. } => Ok(Done::Nothing),
        }
    }

    /// The conversation as the owner knows it: with the code that it had when the text was read.
    async fn changed(&self, heard: &Heard<'_>, id: Uuid) -> Result<Option<Changed>, FailureReason> {
        if let Some(open) = heard.open.iter().find(|open| open.id == id) {
            return Ok(Some(Changed { id, named: open.clone() }));
        }
        let conversation = self.engine.conversation(id).await.map_err(|e| heard.text.retry(e))?;
        Ok(conversation.as_ref().map(|conversation| Changed { id, named: OpenConversation::of(conversation) }))
    }

    async fn answer_to(
        &self,
        heard: &Heard<'_>,
        id: Uuid,
        done: Done,
        about: &'static str,
        unchanged: Unchanged,
        words: fn(Option<owner::Code>, &PhoneNumber, Language) -> String,
    ) -> Result<(), FailureReason> {
        let Some(changed) = self.changed(heard, id).await? else { return Ok(()) };
        match done {
            Done::Now => {
                let answer = words(changed.named.code, &changed.named.customer, heard.said.language);
                self.told(heard, &changed, about, answer).await
            }
            Done::Over => self.unchanged(heard, &changed, Unchanged::Over).await,
            Done::Nothing => self.unchanged(heard, &changed, unchanged).await,
        }
    }

    async fn unchanged(&self, heard: &Heard<'_>, of: &Changed, why: Unchanged) -> Result<(), FailureReason> {
        let answer = texts::nothing_changed(of.named.code, &of.named.customer, why, heard.said.language);
        self.told(heard, of, "unchanged", answer).await
    }

    /// Tells the phone something about a conversation. It is kept with it, and erased with its customer.
    async fn told(
        &self,
        heard: &Heard<'_>,
        of: &Changed,
        about: &'static str,
        answer: String,
    ) -> Result<(), FailureReason> {
        self.send(heard, Target::Id(of.id), about, answer).await
    }

    /// Tells the phone what is about no conversation, or about several.
    async fn told_apart(&self, heard: &Heard<'_>, about: &'static str, answer: String) -> Result<(), FailureReason> {
        self.send(heard, heard.text.own_conversation(), about, answer).await
    }

    async fn send(
        &self,
        heard: &Heard<'_>,
        target: Target,
        about: &'static str,
        text: String,
    ) -> Result<(), FailureReason> {
        if !heard.may_answer {
            return Ok(());
        }
        crate::failpoint::hit("before_owner_notice");
        let note = heard.text.note(OwnSideWhat::Told { text, about });
        let input = self.notice(heard.text, target, note);
        self.engine.apply(input).await.map(drop).map_err(|e| heard.text.retry(e))
    }

    fn notice(&self, text: &OwnSideText<'_>, target: Target, happening: Happening) -> engine::Input {
        engine::Input { id: text.notice_id(), body_hash: None, trace: text.trace.clone(), target, happening }
    }
}
