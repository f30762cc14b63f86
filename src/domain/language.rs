//! The language of a customer's text, from the small words that every sentence has, and what the trades are called for.
//!
//! Only tells English from Spanish, and says nothing where it is in doubt: a name, an address, or both languages at once.

use crate::domain::emergency::Language;

/// Articles, pronouns, prepositions, greetings, the verbs of requests and what is broken, without accents. None is a word of both languages.
const SPANISH: &[&str] = &[
    "afuera",
    "agua",
    "ahora",
    "al",
    "alguien",
    "aqui",
    "ayuda",
    "bano",
    "bien",
    "buen",
    "buena",
    "buenas",
    "buenos",
    "calefaccion",
    "calentador",
    "calle",
    "casa",
    "cobra",
    "cobran",
    "cocina",
    "como",
    "con",
    "cuando",
    "cuanto",
    "cuesta",
    "de",
    "del",
    "desde",
    "dia",
    "dias",
    "donde",
    "el",
    "ella",
    "en",
    "es",
    "esta",
    "estan",
    "este",
    "esto",
    "estoy",
    "favor",
    "fregadero",
    "fuga",
    "funciona",
    "gracias",
    "gratis",
    "hay",
    "hola",
    "hoy",
    "inodoro",
    "la",
    "las",
    "le",
    "llamar",
    "llave",
    "llaves",
    "lo",
    "los",
    "luz",
    "manana",
    "mas",
    "mi",
    "mis",
    "mucha",
    "mucho",
    "muy",
    "necesita",
    "necesitamos",
    "necesito",
    "noche",
    "nos",
    "nuestra",
    "nuestro",
    "ocupo",
    "para",
    "perdi",
    "pero",
    "plomero",
    "por",
    "porque",
    "prende",
    "prisa",
    "puede",
    "pueden",
    "puedo",
    "puerta",
    "que",
    "quien",
    "quiero",
    "quisiera",
    "rota",
    "roto",
    "se",
    "senor",
    "senora",
    "si",
    "somos",
    "son",
    "soy",
    "su",
    "tapada",
    "tapado",
    "tarde",
    "tardes",
    "tenemos",
    "tengo",
    "tiene",
    "todo",
    "tuberia",
    "tubo",
    "un",
    "una",
    "urge",
    "urgente",
    "usted",
    "ustedes",
    "venga",
    "vengan",
    "venir",
    "y",
    "ya",
    "yo",
];
const ENGLISH: &[&str] = &[
    "a",
    "about",
    "ac",
    "again",
    "am",
    "and",
    "any",
    "anyone",
    "are",
    "at",
    "backed",
    "basement",
    "broke",
    "broken",
    "but",
    "call",
    "can",
    "clogged",
    "come",
    "could",
    "do",
    "does",
    "door",
    "down",
    "drain",
    "fix",
    "for",
    "from",
    "get",
    "got",
    "have",
    "heat",
    "heater",
    "hello",
    "help",
    "her",
    "hey",
    "hi",
    "his",
    "hot",
    "house",
    "how",
    "i",
    "if",
    "im",
    "in",
    "is",
    "it",
    "its",
    "just",
    "kitchen",
    "leak",
    "leaking",
    "leaks",
    "lock",
    "locked",
    "my",
    "need",
    "not",
    "of",
    "off",
    "on",
    "open",
    "our",
    "out",
    "overflowing",
    "overflows",
    "please",
    "quote",
    "running",
    "she",
    "shower",
    "sink",
    "smell",
    "stuck",
    "thank",
    "thanks",
    "that",
    "the",
    "there",
    "they",
    "this",
    "to",
    "today",
    "toilet",
    "tomorrow",
    "up",
    "was",
    "water",
    "we",
    "what",
    "when",
    "where",
    "who",
    "will",
    "with",
    "wont",
    "working",
    "would",
    "yes",
    "you",
    "your",
];
/// More words than this say no more.
const MOST_WORDS: usize = 200;

/// The language of a text; `None` if its words do not show it.
pub fn of(text: &str) -> Option<Language> {
    let (mut spanish, mut english) = (0_u32, 0_u32);
    if text.contains(['ñ', 'Ñ', '¿', '¡']) {
        spanish += 1;
    }
    for word in text.split(|c: char| !c.is_alphabetic() && c != '\'' && c != '’').take(MOST_WORDS) {
        let word: String = word.chars().flat_map(char::to_lowercase).filter_map(plain).collect();
        if SPANISH.binary_search(&word.as_str()).is_ok() {
            spanish += 1;
        } else if ENGLISH.binary_search(&word.as_str()).is_ok() {
            english += 1;
        }
    }
    match spanish.cmp(&english) {
        std::cmp::Ordering::Greater => Some(Language::Es),
        std::cmp::Ordering::Less => Some(Language::En),
        std::cmp::Ordering::Equal => None,
    }
}

/// A letter without its accent; `None` for an apostrophe.
fn plain(c: char) -> Option<char> {
    Some(match c {
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' | 'ü' => 'u',
        'ñ' => 'n',
        '\'' | '’' => return None,
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_words_are_sorted_and_of_one_language() {
        for words in [SPANISH, ENGLISH] {
            assert!(words.is_sorted_by(|a, b| a < b), "{words:?}");
        }
        assert!(SPANISH.iter().all(|word| !ENGLISH.contains(word)));
    }

    #[rstest]
    #[case::spanish("Hola, se me tapó el fregadero y no baja el agua", Some(Language::Es))]
    #[case::spanish_without_accents("buenos dias necesito un plomero", Some(Language::Es))]
    #[case::spanish_in_capitals("SE REVENTO LA TUBERIA", Some(Language::Es))]
    #[case::spanish_with_english_words("el breaker del kitchen no funciona", Some(Language::Es))]
    #[case::english("Hi, my kitchen sink is clogged", Some(Language::En))]
    #[case::english_with_an_apostrophe("I’m at 12 La Brea Ave", Some(Language::En))]
    #[case::english_with_a_name("This is Maria de la Cruz, can you call me", Some(Language::En))]
    #[case::spanish_in_two_words("Inodoro tapado", Some(Language::Es))]
    #[case::spanish_and_lost_keys("perdí mis llaves", Some(Language::Es))]
    #[case::english_in_two_words("Clogged drain", Some(Language::En))]
    #[case::english_without_a_sentence("toilet overflowing", Some(Language::En))]
    #[case::a_yes("ok", None)]
    #[case::an_address("450 San Pedro", None)]
    #[case::nothing("", None)]
    fn a_text_is_known_by_its_small_words(#[case] text: &str, #[case] language: Option<Language>) {
        assert_eq!(of(text), language);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = of(&text);
        }
    }
}
