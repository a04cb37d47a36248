//! The words of a CEL expression. Knows nothing of what they mean.

/// A word, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) at: usize,
    pub(crate) word: Word,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// A name, which may be a keyword.
    Name(String),
    /// A field name between backticks, which is never anything else.
    Quoted(String),
    Int(u64),
    UInt(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// An operator or bracket.
    Mark(&'static str),
    End,
}

/// Longest first, so that the first that fits is the right one.
const MARKS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}", "=",
];

/// Reads all words of an expression.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, (usize, String)> {
    let mut reader = Reader { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        reader.skip_space();
        let at = reader.at;
        let word = reader.word().map_err(|reason| (at, reason))?;
        let done = word == Word::End;
        tokens.push(Token { at, word });
        if done {
            return Ok(tokens);
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// What is left, which within a text may begin in the middle of a character.
    fn bytes(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
            if let Some(comment) = trimmed.strip_prefix("//") {
                let end = comment.find('\n').unwrap_or(comment.len());
                self.at = self.text.len() - comment.len() + end;
            } else {
                self.at = self.text.len() - trimmed.len();
                return;
            }
        }
    }

    fn word(&mut self) -> Result<Word, String> {
        let Some(first) = self.peek() else {
            return Ok(Word::End);
        };
        if let Some(word) = self.quoted()? {
            return Ok(word);
        }
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Ok(Word::Name(self.take_name())),
            b'0'..=b'9' => self.number(),
            b'.' if self
                .text
                .as_bytes()
                .get(self.at + 1)
                .is_some_and(u8::is_ascii_digit) =>
            {
                self.number()
            }
            b'`' => {
                let inner = &self.text[self.at + 1..];
                let end = inner.find('`').ok_or("a backtick is not closed")?;
                let name = &inner[..end];
                if name.is_empty()
                    || !name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-/ ".contains(&byte))
                {
                    return Err(format!("`{name}` is no field name"));
                }
                self.at += end + 2;
                Ok(Word::Quoted(name.to_owned()))
            }
            _ => {
                let mark = MARKS.into_iter().find(|mark| self.rest().starts_with(mark));
                let mark = mark.ok_or_else(|| {
                    format!(
                        "{:?} is not expected here",
                        self.rest().chars().next().unwrap_or(' ')
                    )
                })?;
                self.at += mark.len();
                Ok(Word::Mark(mark))
            }
        }
    }

    fn take_name(&mut self) -> String {
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')
            .unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        self.at += end;
        name
    }

    fn digits(&mut self, hex: bool) -> String {
        let rest = self.rest();
        let fits = |byte: u8| {
            if hex {
                byte.is_ascii_hexdigit()
            } else {
                byte.is_ascii_digit()
            }
        };
        let end = rest.bytes().position(|byte| !fits(byte)).unwrap_or(rest.len());
        let digits = rest[..end].to_owned();
        self.at += end;
        digits
    }

    fn number(&mut self) -> Result<Word, String> {
        let rest = self.rest();
        if rest.starts_with("0x") || rest.starts_with("0X") {
            self.at += 2;
            let digits = self.digits(true);
            let value = u64::from_str_radix(&digits, 16).map_err(|_| format!("0x{digits} is no number"))?;
            return self.whole(value);
        }
        let start = self.at;
        let whole = self.digits(false);
        let mut double = false;
        let bytes = self.text.as_bytes();
        if self.peek() == Some(b'.') && bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            double = true;
            self.at += 1;
            self.digits(false);
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(self.at + 1), Some(b'+' | b'-')));
            if bytes.get(self.at + 1 + sign).is_some_and(u8::is_ascii_digit) {
                double = true;
                self.at += 1 + sign;
                self.digits(false);
            }
        }
        if double {
            let text = &self.text[start..self.at];
            return text
                .parse()
                .map(Word::Double)
                .map_err(|_| format!("{text} is no number"));
        }
        let value = whole.parse().map_err(|_| format!("{whole} is too large"))?;
        self.whole(value)
    }

    fn whole(&mut self, value: u64) -> Result<Word, String> {
        let unsigned = matches!(self.peek(), Some(b'u' | b'U'));
        self.at += usize::from(unsigned);
        if self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err("a number ends in letters".to_owned());
        }
        Ok(if unsigned {
            Word::UInt(value)
        } else {
            Word::Int(value)
        })
    }

    /// A text or bytes, when one begins here.
    fn quoted(&mut self) -> Result<Option<Word>, String> {
        let rest = self.bytes();
        let (mut raw, mut bytes, mut skip) = (false, false, 0);
        while let Some(letter @ (b'r' | b'R' | b'b' | b'B')) = rest.get(skip) {
            let flag = if matches!(letter, b'r' | b'R') {
                &mut raw
            } else {
                &mut bytes
            };
            if std::mem::replace(flag, true) {
                return Ok(None);
            }
            skip += 1;
        }
        let Some(quote @ (b'"' | b'\'')) = rest.get(skip).copied() else {
            return Ok(None);
        };
        let triple = rest[skip..].starts_with(&[quote; 3]);
        let close = if triple { 3 } else { 1 };
        self.at += skip + close;
        let mut content = Content {
            bytes,
            buffer: Vec::new(),
        };
        loop {
            let rest = self.bytes();
            let Some(&byte) = rest.first() else {
                return Err("a text is not closed".to_owned());
            };
            if byte == quote && (!triple || rest.starts_with(&[quote; 3])) {
                self.at += close;
                break;
            }
            if !triple && (byte == b'\n' || byte == b'\r') {
                return Err("a text does not end on its line".to_owned());
            }
            if byte == b'\\' && !raw {
                self.at += 1;
                self.escape(&mut content)?;
            } else {
                content.buffer.push(byte);
                self.at += 1;
            }
        }
        Ok(Some(if bytes {
            Word::Bytes(content.buffer)
        } else {
            Word::Text(String::from_utf8(content.buffer).map_err(|_| "a text is not UTF-8")?)
        }))
    }

    fn escape(&mut self, content: &mut Content) -> Result<(), String> {
        let letter = self.peek().ok_or("a text is not closed")?;
        let plain = match letter {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' | b'?' | b'"' | b'\'' | b'`' => letter,
            b'x' | b'X' => return self.code(1, 2, 16, content),
            b'u' if !content.bytes => return self.code(1, 4, 16, content),
            b'U' if !content.bytes => return self.code(1, 8, 16, content),
            b'0'..=b'3' => return self.code(0, 3, 8, content),
            _ => return Err(format!("the escape \\{} does not exist", char::from(letter))),
        };
        content.buffer.push(plain);
        self.at += 1;
        Ok(())
    }

    fn code(&mut self, skip: usize, length: usize, radix: u32, content: &mut Content) -> Result<(), String> {
        let digits = self.text.get(self.at + skip..self.at + skip + length);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok());
        let value = value.ok_or("an escape is not complete")?;
        if content.bytes {
            content
                .buffer
                .push(u8::try_from(value).map_err(|_| "an escape is larger than a byte")?);
        } else {
            let letter = char::from_u32(value).ok_or("an escape is no character")?;
            content.buffer.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.at += skip + length;
        Ok(())
    }
}

struct Content {
    bytes: bool,
    buffer: Vec<u8>,
}
