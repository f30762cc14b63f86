//! The words of the texts to the business's own side.
//!
//! Answers are in the language of the owner's text. Relays and alerts, which answer none, are in English.

use chrono::{DateTime, Utc};

use super::{Answer, Code, OpenConversation, RelayedText};
use crate::domain::conversation::Ownership;
use crate::domain::emergency::Language;
use crate::domain::phone::PhoneNumber;

/// What every relay says: a text of the owner's phone with it is a relay that came back.
const HOW_TO_ANSWER: &str = "to answer yourself";
/// How the relay of a conversation ends that is over.
const OVER: &str = "This conversation is over. Call them, or use the app.";
/// How the acknowledgement of a takeover begins.
pub const TAKEN: &str = "You have";
/// How many characters of the customer's words a relay quotes.
const QUOTED_CHARS: usize = 600;
/// How many characters of links a relay has: with the rest, it fits into an SMS of 1,600.
const LINKS_CHARS: usize = 700;
/// How many conversations a list names.
const LISTED: usize = 8;

/// What the AI will do about the customer's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AiWill {
    /// It answers then, if nobody has by then.
    Answer { at: DateTime<Utc> },
    /// It is working on an answer.
    AnswerNow,
    /// Nothing: the customer has an answer.
    HasAnswered,
    /// Nothing: a person owns the conversation.
    LeaveIt,
    /// Nothing, for another reason: the customer may want no texts, or a limit is reached.
    StaySilent,
    /// Nothing: the conversation is over, and its code with it.
    Nothing,
}

/// A relay: who wrote what, what the AI will do, and how to answer.
pub fn relay(
    code: Option<Code>,
    customer: &PhoneNumber,
    texts: &[RelayedText],
    ai_will: AiWill,
    is_last: bool,
    now: DateTime<Utc>,
) -> String {
    let quoted: Vec<String> = texts.iter().map(quoted).collect();
    let words: String = quoted.join(" / ");
    let is_long = words.chars().count() > QUOTED_CHARS;
    let words: String = words.chars().take(QUOTED_CHARS).collect();
    let more = if is_long { "..." } else { "" };
    let pictures: Vec<&str> = texts.iter().flat_map(|text| &text.pictures).map(String::as_str).collect();
    let pictures = links(&pictures);
    if ai_will == AiWill::Nothing {
        return format!("{customer}: {words}{more}{pictures} {OVER}");
    }
    let ai = match ai_will {
        AiWill::Answer { at } if at > now => format!(" AI answers in {} s.", seconds_until(at, now)),
        AiWill::Answer { .. } | AiWill::AnswerNow => " AI answers now.".to_owned(),
        AiWill::HasAnswered => " Answered meanwhile.".to_owned(),
        AiWill::LeaveIt | AiWill::Nothing => String::new(),
        AiWill::StaySilent => " AI does not answer.".to_owned(),
    };
    let (code, begin) = match code {
        Some(code) => (format!("{code} "), format!("; begin with {code}")),
        None => (String::new(), String::new()),
    };
    let reply = if code.is_empty() { "Use the app" } else { "Reply" };
    let last = if is_last { " You get no more of this conversation by SMS." } else { "" };
    format!("{code}{customer}: {words}{more}{pictures}{ai} {reply} {HOW_TO_ANSWER}{begin}.{last}")
}

/// As many links as fit into an SMS beside the words; the others are in the app.
fn links(pictures: &[&str]) -> String {
    let mut chars = 0;
    let fits = |link: &&&str| {
        chars += link.chars().count() + 1;
        chars <= LINKS_CHARS
    };
    let shown: Vec<&str> = pictures.iter().take_while(fits).copied().collect();
    match (shown.len(), pictures.len() - shown.len()) {
        (0, 0) => String::new(),
        (0, more) => format!(" {more} pictures in the app."),
        (_, 0) => format!(" Pictures: {}", shown.join(" ")),
        (_, more) => format!(" Pictures: {} and {more} more in the app.", shown.join(" ")),
    }
}

fn quoted(text: &RelayedText) -> String {
    match text.words.is_empty() {
        true => "(no words)".to_owned(),
        false => format!("\"{}\"", text.words),
    }
}

/// Rounded up: at least one.
fn seconds_until(at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (at - now).num_milliseconds().div_euclid(1_000) + i64::from((at - now).num_milliseconds().rem_euclid(1_000) != 0)
}

/// Whether a text is one of our own, which a phone has sent back.
pub(super) fn is_ours(text: &str) -> bool {
    text.contains("Reply to answer yourself; begin with")
        || text.contains("Use the app to answer yourself.")
        || text.contains(OVER)
        || text.contains("until you text AI")
        || text.contains("hasta que escriba IA")
}

/// A conversation by its code and the customer's number.
fn name(code: Option<Code>, customer: &PhoneNumber) -> String {
    code.map_or_else(|| customer.to_string(), |code| format!("{code} ({customer})"))
}

/// What to write to mean this conversation.
fn code_or_word(code: Option<Code>) -> String {
    code.map_or_else(String::new, |code| format!(" {code}"))
}

/// The owner has taken a conversation over. If `in_flight`, a text of the AI was at Twilio already and may still arrive.
pub fn taken(code: Option<Code>, customer: &PhoneNumber, in_flight: bool, language: Language) -> String {
    let (name, code) = (name(code, customer), code_or_word(code));
    match (language, in_flight) {
        (Language::En, false) => format!("{TAKEN} {name}. The AI is silent there until you text AI{code}."),
        (Language::En, true) => {
            format!(
                "{name} is yours. An AI text was already on its way and may still arrive; after it, the AI is silent there \
                 until you text AI{code}."
            )
        }
        (Language::Es, false) => format!("Usted tiene {name}. La IA no contesta ahí hasta que escriba IA{code}."),
        (Language::Es, true) => {
            format!(
                "{name} es suyo. Un mensaje de la IA ya iba en camino y puede llegar; después, la IA no contesta ahí hasta \
                 que escriba IA{code}."
            )
        }
    }
}

/// The owner's words took the conversation over.
pub fn sent(code: Option<Code>, customer: &PhoneNumber, in_flight: bool, language: Language) -> String {
    let (name, code) = (name(code, customer), code_or_word(code));
    match (language, in_flight) {
        (Language::En, false) => format!("Sent to {name}. The AI is silent there until you text AI{code}."),
        (Language::En, true) => {
            format!(
                "Sent to {name}. An AI text was already on its way and may still arrive; after it, the AI is silent there \
                 until you text AI{code}."
            )
        }
        (Language::Es, false) => format!("Enviado a {name}. La IA no contesta ahí hasta que escriba IA{code}."),
        (Language::Es, true) => {
            format!(
                "Enviado a {name}. Un mensaje de la IA ya iba en camino y puede llegar; después, la IA no contesta ahí \
                 hasta que escriba IA{code}."
            )
        }
    }
}

/// Pictures of the owner are not passed on.
pub fn no_pictures(language: Language) -> &'static str {
    match language {
        Language::En => "Pictures cannot be passed on; only your words were.",
        Language::Es => "Las fotos no se pueden reenviar; solo sus palabras.",
    }
}

/// The AI answers again.
pub fn released(code: Option<Code>, customer: &PhoneNumber, language: Language) -> String {
    let name = name(code, customer);
    match language {
        Language::En => format!("The AI answers {name} again."),
        Language::Es => format!("La IA vuelve a contestar a {name}."),
    }
}

/// The conversation has ended.
pub fn completed(code: Option<Code>, customer: &PhoneNumber, language: Language) -> String {
    let name = name(code, customer);
    match language {
        Language::En => format!("{name} is done."),
        Language::Es => format!("{name} está terminado."),
    }
}

/// The number gets no automatic texts any more.
pub fn blocked(code: Option<Code>, customer: &PhoneNumber, language: Language) -> String {
    let name = name(code, customer);
    match language {
        Language::En => {
            format!("{name} is blocked, and the conversation is closed. This number gets no more automatic texts.")
        }
        Language::Es => {
            format!("{name} está bloqueado y la conversación terminó. Este número ya no recibe mensajes automáticos.")
        }
    }
}

/// The number could not be blocked.
pub fn not_blocked(language: Language) -> &'static str {
    match language {
        Language::En => "Nothing was blocked: the list of blocked numbers is full. See the app.",
        Language::Es => "No se bloqueó: la lista de números bloqueados está llena. Vea la app.",
    }
}

/// The owner is away.
pub fn off(language: Language) -> &'static str {
    match language {
        Language::En => {
            "Off: the AI answers at once from now on, and only emergencies reach you. Text ON when you are back."
        }
        Language::Es => {
            "Apagado: desde ahora la IA contesta enseguida y solo le llegan emergencias. Para volver: ENCENDER."
        }
    }
}

/// The owner is back.
pub fn on(language: Language) -> &'static str {
    match language {
        Language::En => "On: customers' texts reach you again, and the AI waits for you.",
        Language::Es => "Encendido: los mensajes le llegan de nuevo y la IA le espera.",
    }
}

/// The command was too late, or there was nothing to change.
pub fn nothing_changed(code: Option<Code>, customer: &PhoneNumber, why: Unchanged, language: Language) -> String {
    let name = name(code, customer);
    match (why, language) {
        (Unchanged::Over, Language::En) => format!("{name} is over; nothing was sent."),
        (Unchanged::Over, Language::Es) => format!("{name} ya terminó; no se envió nada."),
        (Unchanged::Taken, Language::En) => format!("A person has {name} already; the AI is silent there."),
        (Unchanged::Taken, Language::Es) => format!("Una persona ya tiene {name}; la IA no contesta ahí."),
        (Unchanged::NotTaken, Language::En) => format!("The AI has {name} already."),
        (Unchanged::NotTaken, Language::Es) => format!("La IA ya tiene {name}."),
        (Unchanged::MayNotWrite, Language::En) => {
            format!(
                "Nothing was sent to {name}: they opted out of texts, or your business no longer has the number they wrote to. Call them."
            )
        }
        (Unchanged::MayNotWrite, Language::Es) => {
            format!(
                "No se envió nada a {name}: no quiere mensajes, o su negocio ya no tiene el número al que escribió. Llame."
            )
        }
    }
}

/// Why a command changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    /// The conversation has ended.
    Over,
    /// A person owns it already.
    Taken,
    /// No person owns it.
    NotTaken,
    /// The customer has opted out, or the business has lost the number.
    MayNotWrite,
}

/// What the owner is told when nothing is done.
pub fn answer(answer: Answer, open: &[OpenConversation], language: Language) -> String {
    match (answer, language) {
        (Answer::WhichOne, Language::En) => {
            format!("Nothing was sent: which one? Begin with its code.\n{}", list(open, language))
        }
        (Answer::WhichOne, Language::Es) => {
            format!("No se envió nada: ¿a cuál? Empiece con su código.\n{}", list(open, language))
        }
        (Answer::NoSuchCode, Language::En) => {
            format!("Nothing was done: no open conversation has this code.\n{}", list(open, language))
        }
        (Answer::NoSuchCode, Language::Es) => {
            format!("No se hizo nada: ninguna conversación abierta tiene este código.\n{}", list(open, language))
        }
        (Answer::List, _) => list(open, language),
        (Answer::NobodyToWriteTo, Language::En) => {
            "Nothing was sent: no customer has written to you lately. Text LIST to see what is open, ? for help.".to_owned()
        }
        (Answer::NobodyToWriteTo, Language::Es) => {
            "No se envió nada: ningún cliente le ha escrito hace poco. LISTA muestra lo abierto, ? la ayuda.".to_owned()
        }
        (Answer::NoWords, Language::En) => "Nothing was sent: write your message after the code.".to_owned(),
        (Answer::NoPictures, Language::En) => "Nothing was sent: pictures cannot be passed on.".to_owned(),
        (Answer::NoPictures, Language::Es) => "No se envió nada: las fotos no se pueden reenviar.".to_owned(),
        (Answer::NoWords, Language::Es) => "No se envió nada: escriba sus palabras después del código.".to_owned(),
        (Answer::WordOrWords, Language::En) => {
            "Nothing was done: text the word and the code alone, or the code and your words for the customer.".to_owned()
        }
        (Answer::WordOrWords, Language::Es) => {
            "No se hizo nada: escriba solo la palabra y el código, o el código y sus palabras para el cliente.".to_owned()
        }
        (Answer::StopAlone, Language::En) => {
            "Nothing was sent. To get no more texts from here, alerts included, text only the word STOP.".to_owned()
        }
        (Answer::StopAlone, Language::Es) => {
            "No se envió nada. Para no recibir más mensajes de aquí, tampoco alertas, escriba solo ALTO.".to_owned()
        }
        (Answer::NothingToTake, Language::En) => "There is nothing to take.".to_owned(),
        (Answer::NothingToTake, Language::Es) => "No hay nada que tomar.".to_owned(),
        (Answer::NothingTaken, Language::En) => "You have taken no conversation.".to_owned(),
        (Answer::NothingTaken, Language::Es) => "Usted no ha tomado ninguna conversación.".to_owned(),
        (Answer::OnlyTheOwner, Language::En) => {
            "Nothing was sent: only the owner's phone can answer customers. You can take an alert with 1.".to_owned()
        }
        (Answer::OnlyTheOwner, Language::Es) => {
            "No se envió nada: solo el teléfono del dueño contesta a clientes. Una alerta se toma con 1.".to_owned()
        }
        (Answer::Help, Language::En) => "Answer a customer: B2 and your words. TAKE B2: you answer, not the AI. AI B2: the AI \
            answers again. DONE B2: it is over. BLOCK B2: no more texts. LIST: what is open. OFF/ON: away, back. 1: take \
            an emergency."
            .to_owned(),
        (Answer::Help, Language::Es) => "Contestar: B2 y sus palabras. TOMAR B2: contesta usted, no la IA. IA B2: vuelve la \
            IA. HECHO B2: terminó. BLOQUEAR B2: no más mensajes. LISTA: lo abierto. APAGAR/ENCENDER: ausente, de vuelta. 1: \
            tomar una emergencia."
            .to_owned(),
    }
}

/// The open conversations, the newest activity first.
fn list(open: &[OpenConversation], language: Language) -> String {
    if open.is_empty() {
        return match language {
            Language::En => "Nothing is open.".to_owned(),
            Language::Es => "No hay nada abierto.".to_owned(),
        };
    }
    let mut newest: Vec<&OpenConversation> = open.iter().collect();
    newest.sort_by_key(|open| std::cmp::Reverse((open.last_activity, open.id)));
    let line = |open: &&OpenConversation| {
        let code = open.code.map_or_else(|| "--".to_owned(), |code| code.to_string());
        let who = match (open.ownership, language) {
            (Ownership::None, Language::En) => "open",
            (Ownership::Ai, Language::En) => "AI",
            (Ownership::User, Language::En) => "taken",
            (Ownership::None, Language::Es) => "abierta",
            (Ownership::Ai, Language::Es) => "IA",
            (Ownership::User, Language::Es) => "tomada",
        };
        format!("{code} {} {who}", open.customer)
    };
    let mut lines: Vec<String> = newest.iter().take(LISTED).map(line).collect();
    if let Some(more) = open.len().checked_sub(LISTED).filter(|more| *more > 0) {
        lines.push(match language {
            Language::En => format!("and {more} more"),
            Language::Es => format!("y {more} más"),
        });
    }
    lines.join("\n")
}
