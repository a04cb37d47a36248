//! The faults of JSON in the words of Go's scanner.

/// The deepest nesting.
const DEEPEST: usize = 10_000;

/// What is wrong with a document; `None` when it is JSON by what Go says.
pub(crate) fn mistake(bytes: &[u8]) -> Option<String> {
    let mut scan = Scan { bytes, at: 0 };
    scan.document().err().map(|fault| match fault {
        Fault::End => "unexpected end of JSON input".to_owned(),
        Fault::At(byte, context) => {
            let letter = match byte {
                b'\'' => "\\'".to_owned(),
                byte => schema::go_escape(char::from(byte), '\''),
            };
            format!("invalid character '{letter}' {context}")
        }
    })
}

enum Fault {
    End,
    At(u8, String),
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What has been opened and not closed yet.
enum Open {
    Object,
    Array,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, Fault> {
        let byte = self.peek().ok_or(Fault::End)?;
        self.at += 1;
        Ok(byte)
    }

    /// The next byte that is no space, not yet taken.
    fn ahead(&mut self) -> Result<u8, Fault> {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.peek().ok_or(Fault::End)
    }

    fn document(&mut self) -> Result<(), Fault> {
        let mut open = Vec::new();
        loop {
            if !self.begin(&mut open)? {
                continue;
            }
            // A value has ended; whatever it ends with it ends too.
            loop {
                match open.last() {
                    None => {
                        return match self.ahead() {
                            Err(_) => Ok(()),
                            Ok(byte) => Err(fault(byte, "after top-level value")),
                        };
                    }
                    Some(Open::Array) => match self.ahead()? {
                        b',' => {
                            self.at += 1;
                            break;
                        }
                        b']' => self.at += 1,
                        byte => return Err(fault(byte, "after array element")),
                    },
                    Some(Open::Object) => match self.ahead()? {
                        b',' => {
                            self.at += 1;
                            self.key()?;
                            break;
                        }
                        b'}' => self.at += 1,
                        byte => return Err(fault(byte, "after object key:value pair")),
                    },
                }
                open.pop();
            }
        }
    }

    /// Begins a value; whether it has ended already.
    fn begin(&mut self, open: &mut Vec<Open>) -> Result<bool, Fault> {
        let byte = self.ahead()?;
        self.at += 1;
        match byte {
            b'{' | b'[' if open.len() >= DEEPEST => return Err(fault(byte, "exceeded max depth")),
            b'{' => {
                if self.ahead()? == b'}' {
                    self.at += 1;
                    return Ok(true);
                }
                open.push(Open::Object);
                self.key()?;
                return Ok(false);
            }
            b'[' => {
                if self.ahead()? == b']' {
                    self.at += 1;
                    return Ok(true);
                }
                open.push(Open::Array);
                return Ok(false);
            }
            b'"' => self.string()?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            b'-' | b'0'..=b'9' => self.number(byte)?,
            byte => return Err(fault(byte, "looking for beginning of value")),
        }
        Ok(true)
    }

    fn key(&mut self) -> Result<(), Fault> {
        match self.ahead()? {
            b'"' => self.at += 1,
            byte => return Err(fault(byte, "looking for beginning of object key string")),
        }
        self.string()?;
        match self.ahead()? {
            b':' => self.at += 1,
            byte => return Err(fault(byte, "after object key")),
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next()?;
                            if !byte.is_ascii_hexdigit() {
                                return Err(fault(byte, "in \\u hexadecimal character escape"));
                            }
                        }
                    }
                    byte => return Err(fault(byte, "in string escape code")),
                },
                byte @ 0..=0x1f => return Err(fault(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        for expected in word.chars().skip(1) {
            let byte = self.next()?;
            if char::from(byte) != expected {
                let context = format!("in literal {word} (expecting '{expected}')");
                return Err(Fault::At(byte, context));
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Result<(), Fault> {
        let first = if first == b'-' {
            match self.next()? {
                byte @ b'0'..=b'9' => byte,
                byte => return Err(fault(byte, "in numeric literal")),
            }
        } else {
            first
        };
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            match self.next()? {
                b'0'..=b'9' => self.digits(),
                byte => return Err(fault(byte, "after decimal point in numeric literal")),
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let mut byte = self.next()?;
            if matches!(byte, b'+' | b'-') {
                byte = self.next()?;
            }
            match byte {
                b'0'..=b'9' => self.digits(),
                byte => return Err(fault(byte, "in exponent of numeric literal")),
            }
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

fn fault(byte: u8, context: &str) -> Fault {
    Fault::At(byte, context.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_as_go_tells_them() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(mistake(text.as_bytes()).as_deref(), expect, "{text}");
        };
        for text in ["{}", " [1, -2.5e+3, \"a\\u00e4\", {\"a\": [], \"b\": null}] ", "5", "true"] {
            check(text, None);
        }
        check("", Some("unexpected end of JSON input"));
        check("{", Some("unexpected end of JSON input"));
        check("nonsense", Some("invalid character 'o' in literal null (expecting 'u')"));
        check("{}{}", Some("invalid character '{' after top-level value"));
        check("{a", Some("invalid character 'a' looking for beginning of object key string"));
        check("{\"a\" 1}", Some("invalid character '1' after object key"));
        check("{\"a\":1 2}", Some("invalid character '2' after object key:value pair"));
        check("[1 2]", Some("invalid character '2' after array element"));
        check("[1,]", Some("invalid character ']' looking for beginning of value"));
        check("\"\n\"", Some("invalid character '\\n' in string literal"));
        check("'a'", Some("invalid character '\\'' looking for beginning of value"));
        check("\u{9e}", Some("invalid character 'Â' looking for beginning of value"));
        check("1.x", Some("invalid character 'x' after decimal point in numeric literal"));
        let deep = "[".repeat(20_000);
        check(&deep, Some("invalid character '[' exceeded max depth"));
    }
}
