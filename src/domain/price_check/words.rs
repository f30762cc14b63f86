//! The words around prices, in English and Spanish, without diacritics.

/// After a number they make it a price, and before one as well (`USD 150`).
pub(super) fn is_currency(word: &str) -> bool {
    matches!(
        word,
        "dollar"
            | "dollars"
            | "buck"
            | "bucks"
            | "usd"
            | "dolar"
            | "dolares"
            | "euro"
            | "euros"
            | "eur"
            | "gbp"
            | "cad"
            | "mxn"
            | "peso"
            | "pesos"
            | "grand"
            | "quid"
            | "dls"
            | "dlls"
            | "dlrs"
            | "dlr"
            | "dolars"
            | "doller"
            | "dollers"
            | "bux"
            | "sterling"
            | "aud"
            | "nzd"
            | "chf"
            | "jpy"
            | "inr"
            | "brl"
            | "billetes"
            | "varos"
            | "soles"
            | "quetzales"
            | "lempiras"
            | "colones"
            | "cent"
            | "cents"
            | "centavos"
    )
}

/// Between a number and its currency: `150 US dollars`, `2,000 whole bucks`.
pub(super) fn is_beside_currency(word: &str) -> bool {
    matches!(
        word,
        "us" | "u"
            | "s"
            | "american"
            | "canadian"
            | "australian"
            | "mexican"
            | "whole"
            | "extra"
            | "more"
            | "ish"
            | "pounds"
            | "de"
            | "americanos"
    )
}

/// A currency's code, which may also stand before the number.
pub(super) fn is_code(word: &str) -> bool {
    matches!(word, "usd" | "eur" | "gbp" | "cad" | "mxn" | "aud" | "nzd" | "chf" | "jpy" | "inr" | "brl")
}

/// After `an` or `la` they make a number a price: `150 an hour`. Of other units that is not certain: "at 8 a service
/// technician comes".
pub(super) fn may_be_offered(word: &str) -> bool {
    matches!(word, "hr" | "hour" | "hora" | "pop" | "piece")
}

/// After a number and `per` they make it a price: `150 per visit`.
pub(super) fn is_charged_unit(word: &str) -> bool {
    may_be_offered(word)
        || matches!(
            word,
            "hrs"
                | "hours"
                | "h"
                | "horas"
                | "visit"
                | "visita"
                | "job"
                | "trabajo"
                | "trip"
                | "call"
                | "callout"
                | "service"
                | "servicio"
                | "appointment"
                | "cita"
                | "project"
                | "technician"
                | "tech"
        )
}

/// What is charged more rarely. It counts after a slash only: "two per room" is no price.
pub(super) fn is_charged_unit_after_slash(word: &str) -> bool {
    is_charged_unit(word)
        || matches!(
            word,
            "day"
                | "dia"
                | "week"
                | "month"
                | "mo"
                | "year"
                | "yr"
                | "each"
                | "ea"
                | "unit"
                | "unidad"
                | "person"
                | "persona"
                | "room"
                | "cuarto"
                | "fixture"
                | "outlet"
                | "ft"
                | "foot"
                | "sqft"
                | "sq"
                | "square"
                | "item"
        )
}

/// Says that what follows is charged for the unit after it: `150 an hour`.
pub(super) fn is_per(word: &str) -> bool {
    matches!(word, "per" | "a" | "an" | "por" | "x" | "la")
}

/// Says that a price follows: `the fee is 150`.
pub(super) fn announces_a_price(word: &str) -> bool {
    matches!(
        word,
        "cost"
            | "costs"
            | "costing"
            | "price"
            | "prices"
            | "priced"
            | "pricing"
            | "fee"
            | "fees"
            | "charge"
            | "charges"
            | "charged"
            | "charging"
            | "rate"
            | "rates"
            | "total"
            | "pay"
            | "paying"
            | "owe"
            | "owed"
            | "balance"
            | "budget"
            | "worth"
            | "deposit"
            | "precio"
            | "precios"
            | "cuesta"
            | "cuestan"
            | "costo"
            | "coste"
            | "costara"
            | "costaria"
            | "cobramos"
            | "cobro"
            | "cobra"
            | "cobran"
            | "tarifa"
            | "presupuesto"
            | "deposito"
            | "pagar"
            | "pago"
            | "pagaria"
            | "cobrariamos"
            | "cobraria"
            | "costarian"
            | "saldria"
            | "saldrian"
            | "debe"
    )
}

/// Says that a number follows, which may also be a time: `it runs about 350`, `we start at 8`.
pub(super) fn announces_a_number(word: &str) -> bool {
    matches!(
        word,
        "runs"
            | "run"
            | "running"
            | "starts"
            | "start"
            | "starting"
            | "begins"
            | "looking"
            | "ballpark"
            | "quote"
            | "quoted"
            | "estimate"
            | "estimated"
            | "anywhere"
            | "be"
            | "do"
            | "for"
            | "about"
            | "around"
            | "roughly"
            | "approximately"
            | "approx"
            | "that's"
            | "thats"
            | "that'll"
            | "it's"
            | "it'll"
            | "due"
            | "minimum"
            | "service"
            | "trip"
            | "visit"
            | "diagnostic"
            | "diagnosis"
            | "inspection"
            | "labor"
            | "parts"
            | "repair"
            | "replacement"
            | "installation"
            | "cleaning"
            | "empieza"
            | "empiezan"
            | "queda"
            | "quedaria"
            | "sale"
            | "vale"
            | "valen"
            | "valdria"
            | "son"
            | "es"
            | "seria"
            | "serian"
            | "sera"
            | "seran"
            | "unos"
            | "unas"
            | "por"
            | "minimo"
            | "visita"
            | "diagnostico"
            | "revision"
            | "reparacion"
            | "instalacion"
            | "servicio"
            | "obra"
    )
}

/// May stand between what announces a price and its number: `the fee will be about 150`.
pub(super) fn leads_to_a_price(word: &str) -> bool {
    matches!(
        word,
        "is" | "are"
            | "was"
            | "of"
            | "at"
            | "be"
            | "will"
            | "would"
            | "should"
            | "could"
            | "may"
            | "about"
            | "around"
            | "roughly"
            | "approximately"
            | "approx"
            | "from"
            | "only"
            | "just"
            | "up"
            | "to"
            | "between"
            | "under"
            | "over"
            | "you"
            | "a"
            | "an"
            | "flat"
            | "it"
            | "comes"
            | "typically"
            | "usually"
            | "normally"
            | "es"
            | "de"
            | "desde"
            | "son"
            | "seria"
            | "sera"
            | "unos"
            | "unas"
            | "aproximadamente"
            | "entre"
            | "solo"
            | "en"
            | "por"
            | "hasta"
            | "le"
            | "los"
            | "the"
            | "minimum"
            | "for"
            | "this"
            | "that"
            | "job"
            | "visit"
            | "call"
            | "hourly"
            | "te"
            | "se"
    )
}

/// After a number they make it a price, the second word if there is one: `150 plus parts`, `150 all in`.
pub(super) const AFTER_A_PRICE: &[(&str, &[&str])] = &[
    ("plus", &["parts", "tax", "taxes", "materials", "labor", "fees", "permit", "permits"]),
    ("mas", &["partes", "piezas", "impuesto", "impuestos", "iva", "materiales", "refacciones"]),
    ("all", &["in", "included", "inclusive"]),
    ("out", &["the"]),
    ("todo", &["incluido"]),
    ("en", &["total", "efectivo"]),
    ("hourly", &[]),
    ("even", &[]),
    ("total", &[]),
    ("cash", &[]),
    ("tops", &[]),
];

/// A few, if hundreds or thousands follow.
pub(super) fn some(word: &str) -> Option<f64> {
    match word {
        "couple" => Some(2.0),
        "few" | "several" | "unos" | "varios" => Some(3.0),
        _ => None,
    }
}

/// After a number that stands for itself: nothing that is counted or measured by it.
pub(super) fn may_follow_a_price(word: &str) -> bool {
    matches!(
        word,
        "plus"
            | "flat"
            | "for"
            | "per"
            | "to"
            | "or"
            | "and"
            | "including"
            | "includes"
            | "total"
            | "tax"
            | "taxes"
            | "depending"
            | "max"
            | "tops"
            | "minimum"
            | "all"
            | "an"
            | "before"
            | "after"
            | "if"
            | "but"
            | "which"
            | "with"
            | "without"
            | "up"
            | "even"
            | "mas"
            | "por"
            | "para"
            | "y"
            | "o"
            | "a"
            | "con"
            | "sin"
            | "en"
            | "incluye"
            | "segun"
            | "each"
            | "today"
            | "hoy"
    )
}

/// Joins the ends of a range: `150 to 200 dollars`.
pub(super) fn joins_a_range(word: &str) -> bool {
    matches!(word, "to" | "and" | "or" | "through" | "thru" | "up" | "a" | "y" | "o" | "hasta" | "until")
}

/// After the name of a place that begins like a currency: `54 Bucks County`.
pub(super) fn is_of_an_address(word: &str) -> bool {
    matches!(
        word,
        "county"
            | "co"
            | "street"
            | "st"
            | "road"
            | "rd"
            | "avenue"
            | "ave"
            | "lane"
            | "ln"
            | "drive"
            | "dr"
            | "court"
            | "ct"
            | "way"
            | "place"
            | "pl"
            | "boulevard"
            | "blvd"
            | "hill"
            | "circle"
            | "terrace"
            | "trail"
            | "tree"
            | "general"
            | "store"
            | "harbor"
    )
}

/// What a word adds to a number in words.
pub(super) enum Numeral {
    /// To be added: `five`, `cincuenta`, `doscientos`.
    Add(f64),
    /// To be multiplied with what came before: `hundred`, `mil`.
    Times(f64),
}

/// The numeral that a word is.
pub(super) fn numeral(word: &str) -> Option<Numeral> {
    let times = match word {
        "hundred" | "hundreds" => 100.0,
        "thousand" | "thousands" | "mil" | "k" => 1_000.0,
        "million" | "millon" | "millones" => 1_000_000.0,
        _ => 0.0,
    };
    if times > 0.0 {
        return Some(Numeral::Times(times));
    }
    let value = match word {
        "one" | "un" | "uno" | "una" => 1,
        "two" | "dos" => 2,
        "three" | "tres" => 3,
        "four" | "cuatro" => 4,
        "five" | "cinco" => 5,
        "six" | "seis" => 6,
        "seven" | "siete" => 7,
        "eight" | "ocho" => 8,
        "nine" | "nueve" => 9,
        "ten" | "diez" => 10,
        "eleven" | "once" => 11,
        "twelve" | "doce" => 12,
        "thirteen" | "trece" => 13,
        "fourteen" | "catorce" => 14,
        "fifteen" | "quince" => 15,
        "sixteen" | "dieciseis" => 16,
        "seventeen" | "diecisiete" => 17,
        "eighteen" | "dieciocho" => 18,
        "nineteen" | "diecinueve" => 19,
        "twenty" | "veinte" => 20,
        "veintiun" | "veintiuno" => 21,
        "veintidos" => 22,
        "veintitres" => 23,
        "veinticuatro" => 24,
        "veinticinco" => 25,
        "veintiseis" => 26,
        "veintisiete" => 27,
        "veintiocho" => 28,
        "veintinueve" => 29,
        "thirty" | "treinta" => 30,
        "forty" | "fourty" | "cuarenta" => 40,
        "fifty" | "cincuenta" => 50,
        "sixty" | "sesenta" => 60,
        "seventy" | "setenta" => 70,
        "eighty" | "ochenta" => 80,
        "ninety" | "noventa" => 90,
        "cien" | "ciento" => 100,
        "doscientos" | "doscientas" => 200,
        "trescientos" | "trescientas" => 300,
        "cuatrocientos" | "cuatrocientas" => 400,
        "quinientos" | "quinientas" => 500,
        "seiscientos" | "seiscientas" => 600,
        "setecientos" | "setecientas" => 700,
        "ochocientos" | "ochocientas" => 800,
        "novecientos" | "novecientas" => 900,
        _ => return None,
    };
    Some(Numeral::Add(f64::from(value)))
}
