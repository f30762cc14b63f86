//! The texts to customers, in their language: the business's own if it has one, otherwise the default. The contract fixes
//! the wording of two of them.

use chrono::{DateTime, Utc};

use crate::domain::conversation::input::{Business, TextsOfLanguage};
use crate::domain::emergency::{Language, LifeSafety};
use crate::domain::phone::PhoneNumber;

/// What stands in a template for the sentence about how to opt out.
pub const OPT_OUT: &str = "{opt_out}";

/// Starts with `Hi! I missed your call`, unless the business has its own (docs/contract.md, section 3). It is the first
/// text to a customer who has not written, and says how to get no more. If the business is closed when it is sent, `at`, it
/// may have another text for that.
pub(in crate::domain::conversation) fn missed_call(
    business: &Business,
    language: Language,
    at: DateTime<Utc>,
) -> String {
    let (opt_out, default) = match language {
        Language::En => (
            "Reply STOP to opt out.",
            format!(
                "Hi! I missed your call. This is {}. What can we help you with? Reply here and we'll get right back to \
                 you. {OPT_OUT}",
                business.name
            ),
        ),
        Language::Es => (
            "Responda STOP para darse de baja.",
            format!(
                "¡Hola! No pudimos contestar su llamada. Le escribe {}. ¿En qué le ayudamos? Responda aquí y le \
                 contestamos enseguida. {OPT_OUT}",
                business.name
            ),
        ),
    };
    let own = business.after_hours_template(at, language).or_else(|| own(business, language).missed_call.clone());
    own.unwrap_or(default).replace(OPT_OUT, opt_out)
}

/// Contains `received your message`, unless the business has its own (docs/contract.md, section 3).
pub(in crate::domain::conversation) fn fallback(business: &Business, language: Language) -> String {
    let name = &business.name;
    own(business, language).fallback.clone().unwrap_or_else(|| match language {
        Language::En => {
            format!("Thanks, we received your message. Someone from {name} will get back to you shortly.")
        }
        Language::Es => format!("Gracias, hemos recibido su mensaje. Alguien de {name} le responde en breve."),
    })
}

/// Replaces DispatchBot's answer in an emergency, unless the business has its own.
pub(in crate::domain::conversation) fn emergency(business: &Business, language: Language) -> String {
    let name = &business.name;
    own(business, language).emergency.clone().unwrap_or_else(|| match language {
        Language::En => format!(
            "We see that this is an emergency, and {name} is being alerted now. If anyone is in danger, get out and call 911."
        ),
        Language::Es => format!(
            "Vemos que es una emergencia, y ya avisamos a {name}. Si alguien corre peligro, salgan y llamen al 911."
        ),
    })
}

/// What is said to a person who is called: the business, and what happened. The number is said digit by digit.
pub(in crate::domain::conversation) fn said_in_call(
    business: &Business,
    customer: &PhoneNumber,
    said: Option<&str>,
) -> String {
    let digits = customer.as_str().trim_start_matches('+').chars().map(String::from).collect::<Vec<_>>().join(" ");
    let what = said.map_or_else(|| "has an emergency.".to_owned(), |said| format!("wrote: {said}"));
    format!("Emergency for {}. The customer with the number {digits} {what}", business.name)
}

/// Says that a person has the customer's emergency in hand.
pub(in crate::domain::conversation) fn taken(business: &Business, language: Language) -> String {
    let name = &business.name;
    match language {
        Language::En => format!("A person at {name} has your message and is on it. They will contact you shortly."),
        Language::Es => format!("Una persona de {name} ya vio su mensaje y se encarga. Le contactará en breve."),
    }
}

/// Stands before DispatchBot's first answer in a conversation, unless the business has its own.
pub(in crate::domain::conversation) fn ai_disclosure(business: &Business, language: Language) -> String {
    let name = &business.name;
    own(business, language).ai_disclosure.clone().unwrap_or_else(|| match language {
        Language::En => format!("This is the AI assistant of {name}."),
        Language::Es => format!("Le escribe el asistente de IA de {name}."),
    })
}

fn own(business: &Business, language: Language) -> &TextsOfLanguage {
    match language {
        Language::En => &business.templates.en,
        Language::Es => &business.templates.es,
    }
}

/// The safety notice, in the customer's language. A business cannot change it.
pub(in crate::domain::conversation) fn get_safe(business: &Business, danger: LifeSafety, language: Language) -> String {
    let what_to_do = match (danger, language) {
        (LifeSafety::Gas, Language::En) => {
            "If you smell gas: get everyone out now. Do not touch switches, flames or phones inside. Call 911 from outside."
        }
        (LifeSafety::Gas, Language::Es) => {
            "Si huele a gas: salgan todos ahora. No toquen interruptores, llamas ni celulares adentro. Llamen al 911 desde afuera."
        }
        (LifeSafety::CarbonMonoxide, Language::En) => {
            "This may be carbon monoxide: get everyone out into fresh air now, and call 911 from outside."
        }
        (LifeSafety::CarbonMonoxide, Language::Es) => {
            "Puede ser monóxido de carbono: salgan todos al aire libre ahora y llamen al 911 desde afuera."
        }
        (LifeSafety::Fire, Language::En) => {
            "If there is fire or smoke: get everyone out now, stay out, and call 911 from outside."
        }
        (LifeSafety::Fire, Language::Es) => {
            "Si hay fuego o humo: salgan todos ahora, no vuelvan a entrar y llamen al 911 desde afuera."
        }
    };
    let by = match language {
        Language::En => "Automatic safety notice",
        Language::Es => "Aviso automático de seguridad",
    };
    format!("{what_to_do} ({by}, {})", business.name)
}

/// How an alert begins that is not a bundle.
pub const ALERT: &str = "EMERGENCY for";

/// How a reminder begins.
const REMINDER: &str = "Reminder for";

/// Reminds the owner of a customer who waits for a person.
pub(in crate::domain::conversation) fn reminder(business: &Business, customer: &str, minutes: i64) -> String {
    let waited = match minutes {
        1 => "1 minute".to_owned(),
        _ => format!("{minutes} minutes"),
    };
    format!(
        "{REMINDER} {}: {customer} has waited {waited} for an answer, and the AI is silent there. Answer them, or give \
         the conversation back to the AI.",
        business.name
    )
}

/// In an alert: an emergency without danger to life, and we may not write to the customer.
pub(in crate::domain::conversation) const NOT_ANSWERED: &str = "We did NOT answer them: call them.";

/// In an alert: why we do not write to a customer who has opted out.
pub(in crate::domain::conversation) const WANTS_NO_TEXTS: &str = "They want no texts.";

/// In an alert: why we do not write to a number.
pub(in crate::domain::conversation) const NEVER_TEXTED: &str = "This number is on your list of those never texted.";

/// In an alert: why we write no more to a customer who may have opted out.
pub(in crate::domain::conversation) const MAY_WANT_NO_TEXTS: &str = "They may want no texts.";

/// In an alert: the customer is in danger to life and got only the safety notice.
pub(in crate::domain::conversation) const NOTICE_ONLY: &str =
    "We told them how to get safe, and did NOT answer them otherwise: call them.";

/// In an alert: what the recipient must do if we may not write to the customer.
pub(in crate::domain::conversation) fn tell_them(danger: LifeSafety) -> &'static str {
    match danger {
        LifeSafety::Gas => "We did NOT tell them to get out: call them now. Gas: everyone out, then 911.",
        LifeSafety::CarbonMonoxide => {
            "We did NOT tell them to get out: call them now. Carbon monoxide: everyone out, then 911."
        }
        LifeSafety::Fire => "We did NOT tell them to get out: call them now. Fire: everyone out, then 911.",
    }
}
