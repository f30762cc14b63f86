//! Writes JSON as YAML, in block style.

use serde_json::{Map, Value};

/// Words that YAML would not read as strings; 1.1 has more of them than 1.2.
const RESERVED: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"];

/// A document with these parts, in this order.
pub(super) fn document(parts: &[(&str, Value)]) -> String {
    let mut out = String::from("# Written by `make asyncapi` (`nevermisscall asyncapi`).\n");
    for (name, value) in parts {
        entry(&mut out, name, value, 0);
    }
    out
}

/// `key: value` at this depth, with its line end.
fn entry(out: &mut String, key: &str, value: &Value, depth: usize) {
    out.push_str(&"  ".repeat(depth));
    out.push_str(&scalar(key));
    out.push(':');
    nested(out, value, depth);
}

/// What follows a key or a dash: the rest of its line, or lines one level deeper.
fn nested(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            object(out, fields, depth + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                list_item(out, item, depth + 1);
            }
        }
        Value::String(text) => line(out, &scalar(text)),
        // Numbers, true, false, null, [] and {} are the same in both.
        other => line(out, &other.to_string()),
    }
}

fn object(out: &mut String, fields: &Map<String, Value>, depth: usize) {
    for (key, value) in fields {
        entry(out, key, value, depth);
    }
}

/// `- value`; the first field of an object is on the line of the dash.
fn list_item(out: &mut String, item: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match item {
        Value::Object(fields) if !fields.is_empty() => {
            let mut inner = String::new();
            object(&mut inner, fields, depth + 1);
            out.push_str(&indent);
            out.push_str("- ");
            out.push_str(inner.trim_start_matches(' '));
        }
        other => {
            out.push_str(&indent);
            out.push('-');
            nested(out, other, depth);
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push(' ');
    out.push_str(text);
    out.push('\n');
}

/// A string as it is if YAML reads it as a string in every version, else in double quotes, as JSON.
fn scalar(text: &str) -> String {
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
    let is_simple = |c: char| c.is_ascii_alphanumeric() || "$_-./ ,;()'`=".contains(c);
    let is_plain = begins_well
        && text.chars().all(is_simple)
        && !text.ends_with(' ')
        && !RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("call.missed", "call.missed")]
    #[case("$ref", "$ref")]
    #[case("No", "\"No\"")]
    #[case("", "\"\"")]
    #[case("2026-11-23", "\"2026-11-23\"")]
    #[case("1.0", "\"1.0\"")]
    #[case("a: b", "\"a: b\"")]
    #[case("a # b", "\"a # b\"")]
    #[case("ends ", "\"ends \"")]
    #[case("two\nlines", "\"two\\nlines\"")]
    fn what_yaml_could_misread_is_quoted(#[case] text: &str, #[case] written: &str) {
        assert_eq!(scalar(text), written);
    }

    #[test]
    fn objects_and_lists_are_nested() {
        let value = json!({ "list": [{ "a": 1, "b": [true, []] }, "x", [2]], "none": {}, "nothing": null });
        let written = "# Written by `make asyncapi` (`nevermisscall asyncapi`).\n\
            top:\n  list:\n    - a: 1\n      b:\n        - true\n        - []\n    - x\n    -\n      - 2\n  none: {}\n  \
            nothing: null\n";
        assert_eq!(document(&[("top", value)]), written);
    }
}
