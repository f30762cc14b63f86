//! Fits text into lines.

/// Breaks at spaces, and within words that are longer than a line, so that no line has more than `width` columns.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split(' ').flat_map(|word| pieces(word, width)) {
            let (piece, continues) = word;
            let space = usize::from(!continues && !line.is_empty());
            if !line.is_empty() && used + space + columns(piece) > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            } else if space == 1 {
                line.push(' ');
                used += 1;
            }
            line.push_str(piece);
            used += columns(piece);
        }
        lines.push(line);
    }
    lines
}

/// Splits a word into parts of at most `width` columns; the flag says whether a part continues the one before.
fn pieces(word: &str, width: usize) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = Some(word);
    let mut continues = false;
    std::iter::from_fn(move || {
        let word = rest?;
        let mut used = 0;
        let cut = word.char_indices().find(|(at, character)| {
            used += cell(*character);
            used > width && *at > 0
        });
        let (piece, left) = cut.map_or((word, None), |(at, _)| (&word[..at], Some(&word[at..])));
        rest = left;
        Some((piece, std::mem::replace(&mut continues, true)))
    })
}

/// The text, cut to `most` characters.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The end of a text, as far as it fits in `width` columns.
pub(super) fn end(text: &str, width: usize) -> &str {
    let mut used = 0;
    let mut starts = text.char_indices().rev().take_while(|(_, character)| {
        used += cell(*character);
        used <= width
    });
    let start = starts.by_ref().last().map_or(text.len(), |(at, _)| at);
    &text[start..]
}

/// The number of columns needed in a terminal; an overestimate, since that only looks worse.
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
    fn text_breaks_at_spaces_and_a_long_word_where_it_must() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("ab comprehend a b", 5), ["ab", "compr", "ehend", "a b"]);
        assert_eq!(wrap("", 5), [""; 0]);
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
