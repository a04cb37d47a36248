//! Protobuf messages in their text form, as much of it as test suites are written in. Knows no message: fields are what
//! they are called. Bounded in length and depth.

/// The longest file, in bytes.
const MAX_LENGTH: usize = 16 << 20;

/// How deep messages may nest.
const MAX_DEPTH: usize = 100;

/// The fields of a message, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Message(pub(crate) Vec<(String, Field)>);

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    /// A text or bytes.
    Quoted(Vec<u8>),
    /// A number, a flag or a name.
    Word(String),
    Message(Message),
}

impl Message {
    /// All values of a field.
    pub(crate) fn all<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Field> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, field)| field)
    }

    /// The messages of a field.
    pub(crate) fn messages<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Message> {
        self.all(name).filter_map(|field| match field {
            Field::Message(message) => Some(message),
            _ => None,
        })
    }

    /// The first message of a field.
    pub(crate) fn message(&self, name: &str) -> Option<&Message> {
        self.0.iter().find_map(|(known, field)| match field {
            Field::Message(message) if known == name => Some(message),
            _ => None,
        })
    }

    /// The text of a field, which may be a number or name too; empty when there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, Field::Quoted(bytes))) => String::from_utf8_lossy(bytes).into_owned(),
            Some((_, Field::Word(word))) => word.clone(),
            _ => String::new(),
        }
    }
}

/// Reads a message; the error names the line.
pub(crate) fn read(text: &str) -> Result<Message, String> {
    if text.len() > MAX_LENGTH {
        return Err("the file is too long".to_owned());
    }
    let mut reader = Reader { text, at: 0 };
    let message = reader.message(0, None);
    message.map_err(|reason| {
        let before = String::from_utf8_lossy(&text.as_bytes()[..reader.at.min(text.len())]);
        let line = before.matches('\n').count();
        format!("line {}: {reason}", line + 1)
    })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn skip_space(&mut self) {
        loop {
            let rest = self.text[self.at..].trim_start();
            self.at = self.text.len() - rest.len();
            if !rest.starts_with('#') {
                return;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, mark: u8) -> bool {
        let here = self.peek() == Some(mark);
        self.at += usize::from(here);
        here
    }

    fn message(&mut self, depth: usize, close: Option<u8>) -> Result<Message, String> {
        if depth > MAX_DEPTH {
            return Err("messages nest too deep".to_owned());
        }
        let mut message = Message::default();
        loop {
            while self.take(b',') || self.take(b';') {}
            match (self.peek(), close) {
                (None, None) => return Ok(message),
                (None, Some(_)) => return Err("a message is not closed".to_owned()),
                (Some(byte), Some(close)) if byte == close => {
                    self.at += 1;
                    return Ok(message);
                }
                _ => {}
            }
            let name = self.name()?;
            let colon = self.take(b':');
            if colon && self.take(b'[') {
                while !self.take(b']') {
                    message.0.push((name.clone(), self.value(depth, true)?));
                    self.take(b',');
                }
            } else {
                message.0.push((name, self.value(depth, colon)?));
            }
        }
    }

    /// The name of a field, or of a type in brackets.
    fn name(&mut self) -> Result<String, String> {
        if self.take(b'[') {
            let rest = &self.text[self.at..];
            let end = rest.find(']').ok_or("a name is not closed")?;
            self.at += end + 1;
            return Ok(format!("[{}]", rest[..end].trim()));
        }
        let word = self.word();
        if word.is_empty() {
            return Err("the name of a field is expected".to_owned());
        }
        Ok(word.to_owned())
    }

    fn word(&mut self) -> &'t str {
        self.skip_space();
        let rest = &self.text[self.at..];
        let end = rest
            .bytes()
            .position(|byte| !(byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte)))
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn value(&mut self, depth: usize, colon: bool) -> Result<Field, String> {
        match self.peek() {
            Some(open @ (b'{' | b'<')) => {
                self.at += 1;
                let close = if open == b'{' { b'}' } else { b'>' };
                self.message(depth + 1, Some(close)).map(Field::Message)
            }
            Some(b'"' | b'\'') if colon => {
                let mut bytes = Vec::new();
                // Texts beside each other are one.
                while let Some(quote @ (b'"' | b'\'')) = self.peek() {
                    self.at += 1;
                    self.quoted(quote, &mut bytes)?;
                }
                Ok(Field::Quoted(bytes))
            }
            _ if colon => match self.word() {
                "" => Err("a value is expected".to_owned()),
                word => Ok(Field::Word(word.to_owned())),
            },
            _ => Err("a colon or a message is expected".to_owned()),
        }
    }

    fn byte(&mut self) -> Result<u8, String> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        byte.ok_or_else(|| "a text is not closed".to_owned())
    }

    fn quoted(&mut self, quote: u8, bytes: &mut Vec<u8>) -> Result<(), String> {
        loop {
            let byte = self.byte()?;
            if byte == quote {
                return Ok(());
            }
            if byte != b'\\' {
                bytes.push(byte);
                continue;
            }
            match self.byte()? {
                b'a' => bytes.push(7),
                b'b' => bytes.push(8),
                b'f' => bytes.push(12),
                b'n' => bytes.push(b'\n'),
                b'r' => bytes.push(b'\r'),
                b't' => bytes.push(b'\t'),
                b'v' => bytes.push(11),
                digit @ b'0'..=b'7' => {
                    self.at -= 1;
                    bytes.push(self.code(3, 8).ok_or(format!("\\{digit} is too large"))? as u8);
                }
                b'x' | b'X' => bytes.push(self.code(2, 16).ok_or("\\x needs digits")? as u8),
                letter @ (b'u' | b'U') => {
                    let code = self.code(if letter == b'u' { 4 } else { 8 }, 16);
                    let letter = code.and_then(char::from_u32).ok_or("an escape is no letter")?;
                    bytes.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                other => bytes.push(other),
            }
        }
    }

    /// At most so many digits.
    fn code(&mut self, most: usize, radix: u32) -> Option<u32> {
        let rest = &self.text.as_bytes()[self.at..];
        let fits = |byte: &u8| char::from(*byte).is_digit(radix);
        let count = rest.iter().take(most).take_while(|byte| fits(byte)).count();
        let digits = std::str::from_utf8(&rest[..count]).ok()?;
        self.at += count;
        u32::from_str_radix(digits, radix).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read() {
        let read = read(
            "# a comment\nname: 'a' \"b\\n\\x41\\101\\u00e9\" n: -1.5e3, flag: true;\nbelow { x: 1 } below: < x: 2 >\n\
             list: [1, {y: 3}]\n[a.b/c.D] { z: 4 }",
        )
        .expect("a message");
        assert_eq!(read.text("name"), "ab\nAAé");
        assert_eq!(
            (read.text("n"), read.text("flag"), read.text("none")),
            ("-1.5e3".to_owned(), "true".to_owned(), String::new())
        );
        let below: Vec<String> = read.messages("below").map(|message| message.text("x")).collect();
        assert_eq!(below, ["1", "2"]);
        assert_eq!(read.all("list").count(), 2);
        assert_eq!(
            read.message("[a.b/c.D]").map(|message| message.text("z")),
            Some("4".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let check = |text: &str, part: &str| {
            let reason = read(text).expect_err(text);
            assert!(reason.contains(part), "{text}: {reason}");
        };
        check("a {\n b: 1", "line 2: a message is not closed");
        check("a: 'x", "a text is not closed");
        check("a: 'x\\", "a text is not closed");
        check("a", "a colon or a message");
        check("a:", "a value is expected");
        check("?: 1", "the name of a field");
        check("a: '\\u{d800}'", "no letter");
        check(&"a {".repeat(200), "too deep");
    }
}
