//! Letters in their other case, one for one as Go maps them, and case styles of names: snake_case, kebab-case
//! and PascalCase, with the word boundaries that Sprig's users know.

/// The capital of a letter, if it is a single letter; `ß` stays.
pub(crate) fn upper(character: char) -> char {
    match character {
        // Greek letters with a subscript have a capital with one.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(u32::from(character) + 8).unwrap_or(character)
        }
        '\u{1fb3}' => '\u{1fbc}',
        '\u{1fc3}' => '\u{1fcc}',
        '\u{1ff3}' => '\u{1ffc}',
        _ => single(character.to_uppercase(), character),
    }
}

/// The small form of a letter, wherever it stands.
pub(crate) fn lower(character: char) -> char {
    match character {
        '\u{130}' => 'i',
        _ => single(character.to_lowercase(), character),
    }
}

/// The form of a letter that begins a title, which is not the capital for letters that are two.
pub(crate) fn title(character: char) -> char {
    match character {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        // Georgian has capitals, but begins no title with them.
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => character,
        _ => upper(character),
    }
}

fn single(mut mapped: impl ExactSizeIterator<Item = char>, character: char) -> char {
    if mapped.len() == 1 {
        mapped.next().unwrap_or(character)
    } else {
        character
    }
}

/// What a run of characters is.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Connector,
    Punctuation,
    Upper,
    Letters,
    Number,
    Other,
    Nothing,
}

fn is_connector(character: char) -> bool {
    matches!(character, '-' | '_') || character.is_whitespace()
}

fn is_punctuation(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_punctuation() && !"$+<=>^`|~".contains(character);
    }
    matches!(character, '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{2043}' | '\u{2045}'..='\u{2051}' | '\u{2053}'..='\u{205e}'
        | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}')
}

/// Letters that make words; Han characters are words of their own.
fn is_letter(character: char) -> bool {
    character.is_alphabetic()
        && !character.is_numeric()
        && !matches!(character, '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}')
}

fn sort_of(character: char) -> Sort {
    if is_connector(character) {
        Sort::Connector
    } else if is_punctuation(character) {
        Sort::Punctuation
    } else if character.is_uppercase() {
        Sort::Upper
    } else if is_letter(character) {
        Sort::Letters
    } else if character.is_numeric() {
        Sort::Number
    } else {
        Sort::Other
    }
}

/// Cuts the next word off: capitals with the small letters behind them, or characters of one sort.
fn next_word(characters: &[char]) -> (Sort, usize) {
    let Some(first) = characters.first() else {
        return (Sort::Nothing, 0);
    };
    let sort = sort_of(*first);
    let run = |from: usize, fits: &dyn Fn(Sort) -> bool| {
        from + characters[from..]
            .iter()
            .take_while(|character| fits(sort_of(**character)))
            .count()
    };
    if sort != Sort::Upper {
        return (sort, run(1, &|other| other == sort));
    }
    let capitals = run(1, &|other| other == Sort::Upper);
    let small_follow = characters.get(capitals).is_some_and(|next| is_letter(*next));
    let length = match (capitals, small_follow) {
        (1, true) => run(1, &|other| other == Sort::Letters),
        // Of `HTTPServer`, the `S` belongs to what follows.
        (_, true) => capitals - 1,
        _ => capitals,
    };
    (Sort::Upper, length)
}

/// Words joined with a connector, in small letters: `HTTPServer` becomes `http_server`.
pub(crate) fn joined(text: &str, connector: char) -> String {
    use Sort::{Connector, Letters, Nothing, Number, Punctuation};
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut take = || {
        let (sort, length) = next_word(&characters[at..]);
        at += length;
        (sort, &characters[at - length..at], at < characters.len())
    };
    let mut out = String::with_capacity(text.len() + 4);
    let write = |out: &mut String, word: &[char]| {
        out.extend(word.iter().map(|character| {
            if is_connector(*character) {
                connector
            } else {
                lower(*character)
            }
        }));
    };
    let (mut sort, mut word, mut more) = take();
    while more {
        let before = (sort, word);
        if sort != Connector {
            write(&mut out, word);
        }
        (sort, word, more) = take();
        match before.0 {
            Connector => {
                write(&mut out, before.1);
                continue;
            }
            Punctuation => continue,
            Number => {}
            _ if sort != Number => {
                if !matches!(sort, Connector | Punctuation) {
                    out.push(connector);
                }
                continue;
            }
            _ if !more => continue,
            // A number behind a word belongs to it, unless small letters follow the number.
            _ => {
                let number = word;
                (sort, word, more) = take();
                if sort == Letters {
                    out.push(connector);
                }
                write(&mut out, number);
                if sort != Letters {
                    if !matches!(sort, Connector | Punctuation) {
                        out.push(connector);
                    }
                    continue;
                }
            }
        }
        // Small letters and further numbers belong to the number they follow.
        while matches!(sort, Letters | Number) {
            write(&mut out, word);
            (sort, word, more) = take();
        }
        if !matches!(sort, Nothing | Connector | Punctuation) {
            out.push(connector);
        }
    }
    write(&mut out, word);
    out
}

/// Words run together, each with a capital: `http_server` becomes `HttpServer`.
pub(crate) fn pascal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(connector) = rest.next_if(|character| is_connector(*character)) {
        out.push(connector);
        if rest.peek().is_none() {
            // Nothing but connectors: the last one stands twice.
            out.push(connector);
        }
    }
    let Some(first) = rest.next() else {
        return out;
    };
    // Capitals behind a capital are made small until a small letter comes.
    let mut in_capitals = first.is_uppercase();
    let mut before = upper(first);
    for mut character in rest {
        match (is_connector(before), is_connector(character)) {
            (true, true) => out.push(before),
            (true, false) => {
                in_capitals = character.is_uppercase();
                character = upper(character);
            }
            (false, _) => {
                in_capitals &= character.is_uppercase();
                if in_capitals {
                    character = lower(character);
                }
                out.push(before);
            }
        }
        before = character;
    }
    out.push(before);
    out
}
