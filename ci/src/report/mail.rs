// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Text of mails: words in lines of 72 columns.

#[cfg(test)]
mod tests;

/// Columns of a mail.
pub const COLUMNS: usize = 72;

/// Breaks words into lines of [`COLUMNS`], the first of which begins with `first` and the others with `next`; a longer
/// word has a line of its own.
pub fn wrap(words: &str, first: &str, next: &str) -> String {
    let mut text = first.to_owned();
    let mut column = first.chars().count();
    let mut begun = false;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        if begun && column + 1 + width > COLUMNS {
            text.push('\n');
            text.push_str(next);
            column = next.chars().count();
            begun = false;
        }
        if begun {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
        begun = true;
    }
    text.push('\n');
    text
}
