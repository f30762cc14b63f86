//! Automatic replies: of phones while their owner drives, and of mailboxes while they are away.

/// How the subject of an automatic reply begins. Nobody writes it by hand, so whatever follows is automatic.
const MARKS: &[&str] = &[
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "automatic reply",
    "automatic response",
    "automated reply",
    "automated response",
    "automated message",
    "this is an automated",
    "this is an automatic",
    "this is an auto",
    "this message was sent automatically",
    "sent automatically",
    "respuesta automatica",
    "mensaje automatico",
    "esta es una respuesta automatica",
    "este es un mensaje automatico",
    "out of office:",
    "out of office reply",
    "driving mode:",
];
/// What an automatic reply says of its owner.
const AWAY: &[&str] = &[
    "i'm driving",
    "im driving",
    "i am driving",
    "i'm currently driving",
    "i am currently driving",
    "driving right now",
    "driving with",
    "do not disturb while driving",
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
];
/// The words of automatic replies. Any other word is the customer's own, so no request of theirs may be made of these.
const WORDS: &str = "\
    a about after again all also am an and are as at away automatic back be been can cannot currently dear desk do driving \
    disturb email focus for from get going good have hello hi hours i i'll i'm i've if im in is it it's later leave limited \
    access mail message messages mode morning my not notification notifications now of off office on original out phone \
    possible reach receive received receiving regards reply replying respond responding return returning right safely see \
    send sent silenced so soon sorry talk text thank thanks that the then there this through to today tomorrow turned until \
    up upon urgent vacation holiday voicemail was when where while will with won't writing you you've your yours \
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september \
    october november december am pm st nd rd th contacting reaching while best kind \
    estoy voy conduciendo manejando conduccion modo no molestar fuera de la el los las oficina vacaciones te le llamo \
    respondo contesto respondere contestare mas tarde cuando llegue lo antes posible gracias por su tu mensaje hola saludos \
    regreso volvere hasta en a al y que vere ahora momento este en lunes martes miercoles jueves viernes sabado domingo";

/// No automatic reply asks anything.
const QUESTION: char = '?';

/// Whether a text, in lower case and without diacritics, is an automatic reply as a whole.
pub(super) fn is_automatic(plain: &str) -> bool {
    let text = plain.replace('’', "'");
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_known = |word: &str| word.chars().all(|c| c.is_ascii_digit()) || WORDS.split(' ').any(|known| known == word);
    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '\'')).filter(|word| !word.is_empty());
    MARKS.iter().any(|mark| text.starts_with(mark))
        || (AWAY.iter().any(|phrase| text.contains(phrase)) && !text.contains(QUESTION) && words.all(is_known))
}
