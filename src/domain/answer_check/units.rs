//! Words after a number that is counted or measured: `an 800-gallon tank`, `300-1000 galones`.

/// In the singular and in the plural, as far as a unit has both.
const UNITS: [&str; 5] = [
    "dollar dollars usd bucks euro euros pesos dólar dólares dolar dolares",
    "gallon gallons gal galón galon galones liter liters litro litros gph gpm foot feet ft pie pies inch inches pulgada \
     pulgadas yard yards yarda yardas mile miles milla millas meter meters metro metros sq square cuadrados",
    "pound pounds lb lbs libra libras kilo kilos kg ton tons tonelada toneladas psi btu btus degree degrees grado grados \
     watt watts vatio vatios kilowatts amp amps amperio amperios volt volts voltio voltios vac",
    "second seconds segundo segundos minute minutes minuto minutos hour hours hora horas day days día días dia dias \
     year years año años",
    "percent thousand mil million millones customers clientes",
];

/// Those that also go on after a phone number: `call 555-1299 day or night`.
const AFTER_NUMBERS: [&str; 2] =
    ["second segundo day days día días dia dias year years año años mil", "yard yards yarda yardas customers clientes"];

/// Whether a word after a number says what is counted.
pub(super) fn is_unit(word: &str) -> bool {
    is_one_of(&UNITS, word)
}

/// Whether a word after two numbers with a dash says that they are a range.
pub(super) fn is_unit_of_range(word: &str) -> bool {
    is_unit(word) && !is_one_of(&AFTER_NUMBERS, word)
}

fn is_one_of(lines: &[&str], word: &str) -> bool {
    let word = word.to_lowercase();
    lines.iter().flat_map(|line| line.split_whitespace()).any(|known| known == word)
}
