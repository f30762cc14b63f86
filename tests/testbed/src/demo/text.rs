//! Text to fit a line.

/// Breaks at spaces so that no line has more than `width` characters, except for words longer than that.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// The text, cut to `most` characters.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The last characters of a text that fit in `width` columns.
pub(super) fn end(text: &str, width: usize) -> &str {
    let mut used = 0;
    let mut starts = text.char_indices().rev().take_while(|(_, character)| {
        used += cell(*character);
        used <= width
    });
    let start = starts.by_ref().last().map_or(text.len(), |(at, _)| at);
    &text[start..]
}

/// How many columns a terminal needs for it; generous, since too many are only ugly.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(cell).sum()
}

fn cell(character: char) -> usize {
    if (character as u32) < 0x1100 || ('\u{2000}'..='\u{2bff}').contains(&character) { 1 } else { 2 }
}

/// The last `count` lines.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_breaks_at_spaces_and_keeps_long_words_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible a b", 5), ["incomprehensible", "a b"]);
        assert_eq!(wrap("first\nsecond", 20), ["first", "second"]);
    }

    #[test]
    fn the_end_of_a_typed_line_is_what_stays_visible() {
        assert_eq!(end("kitchen sink", 4), "sink");
        assert_eq!(end("sink", 10), "sink");
        assert_eq!(end("水水", 3), "水");
    }

    #[test]
    fn a_long_text_is_cut_with_an_ellipsis() {
        assert_eq!(short("kitchen", 4), "kit…");
        assert_eq!(short("sink", 4), "sink");
    }
}
