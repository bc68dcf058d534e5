//! Dictionaries written as Python writes them, `{'a': [1, None]}`: what a
//! template makes of a dictionary that is put into a text.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Number, Value};

/// How deep a literal may nest; JSON has the same limit.
const DEPTH: usize = 127;

/// Reads one dictionary of literals and nothing after it.
pub(super) fn dictionary(text: &str) -> Option<Map<String, Value>> {
    let mut reader = Reader {
        letters: text.chars().peekable(),
    };
    let value = reader.value(DEPTH)?;
    reader.skip_space();
    match (value, reader.letters.next()) {
        (Value::Object(map), None) => Some(map),
        _ => None,
    }
}

struct Reader<'a> {
    letters: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        while self.letters.next_if(char::is_ascii_whitespace).is_some() {}
    }

    /// Takes the letter if it comes next, after any space.
    fn take(&mut self, letter: char) -> bool {
        self.skip_space();
        self.letters.next_if_eq(&letter).is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.skip_space();
        match *self.letters.peek()? {
            '{' => self.dictionary(depth).map(Value::Object),
            '[' => self.list('[', ']', depth).map(|(list, _)| list.into()),
            '(' => {
                // A single value without a comma is that value in brackets.
                let (mut list, comma) = self.list('(', ')', depth)?;
                if list.len() == 1 && !comma {
                    list.pop()
                } else {
                    Some(list.into())
                }
            }
            '\'' | '"' => self.text().map(Value::String),
            _ => self.word(),
        }
    }

    fn dictionary(&mut self, depth: usize) -> Option<Map<String, Value>> {
        let mut map = Map::new();
        self.letters.next();
        while !self.take('}') {
            let key = match self.value(depth)? {
                Value::String(text) => text,
                Value::Array(_) | Value::Object(_) => return None,
                scalar => scalar.to_string(),
            };
            if !self.take(':') {
                return None;
            }
            map.insert(key, self.value(depth)?);
            if !self.take(',') {
                return self.take('}').then_some(map);
            }
        }
        Some(map)
    }

    /// The elements, and whether a comma ended them.
    fn list(&mut self, open: char, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        let mut list = Vec::new();
        if !self.take(open) {
            return None;
        }
        while !self.take(close) {
            list.push(self.value(depth)?);
            if !self.take(',') {
                return self.take(close).then_some((list, false));
            }
        }
        Some((list, true))
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.letters.next()?;
        let mut text = String::new();
        loop {
            match self.letters.next()? {
                letter if letter == quote => return Some(text),
                '\n' => return None,
                '\\' => match self.letters.next()? {
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    'x' => text.push(self.code(2)?),
                    'u' => text.push(self.code(4)?),
                    'U' => text.push(self.code(8)?),
                    letter @ ('\\' | '\'' | '"') => text.push(letter),
                    // Rarer escapes are not written by anything that writes
                    // dictionaries into texts.
                    _ => return None,
                },
                letter => text.push(letter),
            }
        }
    }

    fn code(&mut self, digits: usize) -> Option<char> {
        let mut code = 0;
        for _ in 0..digits {
            code = code * 16 + self.letters.next()?.to_digit(16)?;
        }
        char::from_u32(code)
    }

    fn word(&mut self) -> Option<Value> {
        let mut word = String::new();
        while let Some(letter) = self
            .letters
            .next_if(|letter| letter.is_ascii_alphanumeric() || "+-._".contains(*letter))
        {
            word.push(letter);
        }
        match word.as_str() {
            "None" => Some(Value::Null),
            "True" => Some(true.into()),
            "False" => Some(false.into()),
            number if number.ends_with(|letter: char| letter.is_ascii_digit() || letter == '.') => {
                let whole = number.parse::<i64>().map(Number::from).ok();
                let number = whole
                    .or_else(|| number.parse::<u64>().map(Number::from).ok())
                    .or_else(|| number.parse::<f64>().ok().and_then(Number::from_f64));
                number.map(Value::Number)
            }
            _ => None,
        }
    }
}
