//! Automatic replies: of phones while their owner drives, and of mailboxes and businesses while nobody is there.

/// How the subject of an automatic reply begins. Nobody writes it by hand, so whatever follows is automatic.
const REPLIES: &[&str] = &[
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponse",
    "automatic reply",
    "automatic response",
    "automated reply",
    "automated response",
    "this is an automated reply",
    "this is an automated response",
    "this is an automatic reply",
    "this is an automatic response",
    "this is an auto reply",
    "this is an auto-reply",
    "this is an auto response",
    "this is an auto-response",
    "respuesta automatica",
    "contestacion automatica",
    "esta es una respuesta automatica",
    "out of office",
    "out of office reply",
    "driving mode",
];
/// How a message of a machine begins. It may be that of an alarm, so the rest has to be that of a reply.
const MESSAGES: &[&str] = &[
    "automated message",
    "automated text",
    "automatic message",
    "this is an automated message",
    "this is an automated text",
    "this is an automatic message",
    "this message was sent automatically",
    "sent automatically",
    "mensaje automatico",
    "este es un mensaje automatico",
];
/// What may follow such a beginning within the same sentence.
const AFTER_A_MARK: &[&str] = &["from ", "de ", "by "];
/// What an automatic reply says of its owner, at a time or in a place where nobody answers.
const AWAY: &[&str] = &[
    "i'm driving",
    "im driving",
    "i am driving",
    "i'm currently driving",
    "i am currently driving",
    "currently driving",
    "driving right now",
    "driving with",
    "driving mode",
    "do not disturb",
    "driving focus",
    "out of the office",
    "out of office",
    "away from the office",
    "away from my desk",
    "away from my phone",
    "on vacation",
    "on holiday",
    "on leave",
    "estoy conduciendo",
    "estoy manejando",
    "voy manejando",
    "voy conduciendo",
    "fuera de la oficina",
    "de vacaciones",
    "modo conduccion",
    "no molestar",
    "focus turned on",
    "notifications silenced",
    "not receiving notifications",
    "no recibo notificaciones",
    "currently closed",
    "office is closed",
    "does not accept text messages",
    "does not receive text messages",
    "is not monitored",
    "do not reply to this message",
    "no responda a este mensaje",
];
/// The same, if an answer is promised: customers receive messages, too.
const RECEIVED: &[&str] = &[
    "received your message",
    "recibido su mensaje",
    "recibido tu mensaje",
    "recibimos su mensaje",
    "recibimos tu mensaje",
];
const PROMISES: &[&str] = &["will ", "'ll ", "responderemos", "respondere", "contestare"];
/// Of phones whose owner drives. They do not say until when.
const DRIVING: &[&str] = &["driving", "conduciendo", "manejando", "disturb", "no molestar", "notificati", "notificaci"];
/// The words of automatic replies. Any other word is the customer's own, so no request of theirs may be made of these.
const WORDS: &str = "\
    a about accept activado after again all also am an and android are arrive as at auto away automatic back be been bike \
    business busy but call can can't cannot car carplay closed colleague contact currently dear desk disturb do does driving \
    email emergencies focus for from get going have hello hi hours i i'll i'm i've if im in is it it's later leave limited \
    access mail mailbox matters message messages mode monitored my no not notification notifications now number of off office \
    on original our out phone possible reach receive received receiving regards reply replying respond responding return \
    returning right safely see send sent shortly silenced so soon sorry stop stopped talk text thank thanks that the then \
    there this through to turned unable until up upon urgent us vacation holiday via voicemail texted automated was we we'll when where while \
    will with won't writing you you've your yours missed during \
    pm st nd rd th contacting reaching texting calling messaging while best kind \
    estoy voy conduciendo manejando conducir conduccion concentracion modo no molestar fuera de la el los las oficina \
    vacaciones te le llamo marco respondo contesto respondere contestare responderemos responderte respondera mas tarde luego \
    despues cuando llegue lo antes posible gracias por comunicarse comunicarte con nosotros hemos recibido recibimos su tu \
    mensaje mensajes hola saludos regreso regresare volvere hasta en a al y que vere ahora mismo momento este para asuntos \
    urgentes urgente si es llame colega encuentro mi destino recibo notificaciones notificacion original responde una \
    responda no puedo hablar cerrado cerrada cerrados estamos nuestra horario numero disponible automatica automatico mensaje";
/// Days and months. With the digits beside them they belong to an automatic reply only if they say until when or since
/// when it applies.
const DATES: &str = "\
    today tomorrow monday tuesday wednesday thursday friday saturday sunday january february march april may june july august \
    september october november december mon tue tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct \
    nov dec lunes martes miercoles jueves viernes sabado domingo manana hoy enero febrero marzo abril mayo junio julio agosto \
    septiembre octubre noviembre diciembre";
const BEFORE_A_DATE: &str = "\
    until till through thru on from to of at is and are back return returning returns starting the hours hasta el al desde \
    del de regreso regresare volvere a las";
/// What has a meaning of its own among the words of automatic replies, and the words that it counts as.
const PHRASES: &[(&str, &str)] = &[
    ("good morning", "hello"),
    ("good afternoon", "hello"),
    ("good evening", "hello"),
    ("good day", "hello"),
    ("buenos dias", "hola"),
    ("buenas tardes", "hola"),
    ("me encuentro", "estoy"),
    ("me llegue", "llegue"),
    ("please contact my", "for urgent matters my"),
    ("contact my", "for urgent matters my"),
    ("please do not", "will not"),
    ("please leave a message", "will leave a message"),
    ("reply urgent", "will reply urgent"),
    ("reply \"urgent\"", "will reply urgent"),
    ("reply “urgent”", "will reply urgent"),
    ("responde urgente", "y respondo urgente"),
    ("responde “urgente”", "y respondo urgente"),
    ("responde \"urgente\"", "y respondo urgente"),
    ("llame a mi", "para asuntos urgentes a mi"),
];
/// What asks something of us, though each word is one of automatic replies.
const REQUESTS: &[&str] = &["can you", "will you", "you can", "are you", "do you", "can we", "will we", "call when"];
/// What asks something of us at the start of a sentence or a part of it.
const IMPERATIVES: &[&str] = &[
    "call", "text", "send", "stop", "reach", "contact", "talk", "email", "leave", "respond", "reply", "get", "see",
    "responda", "responde", "llame", "go",
];
/// After them stands whom an automatic reply is from.
const THANKS_FOR: &[&str] = &["contacting", "texting", "calling", "messaging", "reaching", "writing"];
/// The most words of a name.
const LONGEST_NAME: usize = 4;

/// No automatic reply asks anything.
const QUESTION: char = '?';

/// Whether a text, without diacritics, is an automatic reply as a whole.
pub(super) fn is_reply(plain: &str) -> bool {
    let text = plain.replace('’', "'");
    let lower = text.to_lowercase();
    after_a_mark(REPLIES, &lower).is_some()
        || after_a_mark(MESSAGES, &lower).is_some_and(|rest| is_of_replies(rest, rest))
        || (says_that_nobody_answers(&lower) && is_of_replies(&text, &lower))
}

/// What follows a mark at the start, if nothing of the same sentence does.
fn after_a_mark<'a>(marks: &[&str], lower: &'a str) -> Option<&'a str> {
    let text = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    marks.iter().filter_map(|mark| text.strip_prefix(mark)).find(|rest| {
        let next = rest.trim_start();
        let is_followed = rest.starts_with(' ') && AFTER_A_MARK.iter().any(|after| next.starts_with(after));
        is_followed || !next.starts_with(|c: char| c.is_alphanumeric() || c == QUESTION)
    })
}

fn says_that_nobody_answers(lower: &str) -> bool {
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    has(AWAY) || (has(RECEIVED) && has(PROMISES))
}

/// Whether a text says only what automatic replies say, and asks nothing.
fn is_of_replies(text: &str, lower: &str) -> bool {
    let plain = PHRASES.iter().fold(lower.to_owned(), |text, (phrase, words)| text.replace(phrase, words));
    let begins = |part: &str| words(part).next().is_some_and(|word| IMPERATIVES.contains(&word));
    let asks = lower.contains(QUESTION)
        || REQUESTS.iter().any(|request| plain.contains(request))
        || plain.split(['.', ',', ';', '!', ':', '-', '–', '—', '(']).any(begins);
    if asks {
        return false;
    }
    let is_dated = !DRIVING.iter().any(|word| lower.contains(word));
    let words: Vec<&str> = words(&plain).collect();
    // Names are known by their capitals, where no phrase has moved the words.
    let written: Vec<&str> = if plain == lower { self::words(text).collect() } else { words.clone() };
    (0..words.len()).all(|at| is_of_a_reply(&words, at, is_dated) || is_of_a_name(&words, &written, at))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|word| word.trim_matches('\''))
        .filter(|w| !w.is_empty())
}

fn is_of_a_reply(words: &[&str], at: usize, is_dated: bool) -> bool {
    let is_in = |list: &str, word: &str| list.split(' ').any(|known| known == word);
    let is_date = |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) || is_in(DATES, word);
    let Some(word) = words.get(at).copied() else { return false };
    if !is_date(word) {
        return is_in(WORDS, word);
    }
    let before = at.checked_sub(1).and_then(|before| words.get(before));
    is_dated && before.is_some_and(|before| is_in(BEFORE_A_DATE, before) || is_date(before) || *before == "closed")
}

/// `Thank you for contacting Smith Realty`: a few words with capitals.
fn is_of_a_name(words: &[&str], written: &[&str], at: usize) -> bool {
    let is_capital = |at: usize| written.get(at).is_some_and(|word| has_only_one_capital(word));
    let begin = (1..=LONGEST_NAME)
        .filter_map(|back| at.checked_sub(back))
        .find(|at| words.get(*at).is_some_and(|word| THANKS_FOR.contains(word)));
    begin.is_some_and(|begin| (begin + 1..=at).all(is_capital))
}

fn has_only_one_capital(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(char::is_uppercase) && chars.all(|c| !c.is_uppercase())
}
