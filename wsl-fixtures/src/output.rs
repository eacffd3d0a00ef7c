//! What wsl.exe prints: UTF-16LE, lists in columns, versions.
//!
//! Labels are localised, so a reader may rely on column positions and on the word `WSL` only.
//!
//! ```
//! use wsl_fixtures::output::{Labels, ListRow, decode, encode_utf16le, parse_list, print_list};
//!
//! let rows = [ListRow::new("Ubuntu", "Running", 2).as_default()];
//! let bytes = encode_utf16le(&print_list(&rows, &Labels::ENGLISH), true);
//! assert_eq!(parse_list(&decode(&bytes)).unwrap(), rows);
//! ```
//!
//! ref: setup-and-wsl.md §2.1, §2.5

/// Text as wsl.exe writes it to a pipe.
pub fn encode_utf16le(text: &str, with_bom: bool) -> Vec<u8> {
    let bom = if with_bom { "\u{feff}" } else { "" };
    bom.encode_utf16()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// Reads what a program printed: UTF-16LE when it begins with its mark or when every second byte of the
/// beginning is NUL, else UTF-8. What is neither becomes U+FFFD. Marks are removed.
pub fn decode(bytes: &[u8]) -> String {
    let text = if looks_like_utf16le(bytes) {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)))
            .collect();
        String::from_utf16_lossy(&units)
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    text.trim_start_matches('\u{feff}').to_owned()
}

/// ASCII in UTF-16LE has NUL in every odd place; UTF-8 text has none.
fn looks_like_utf16le(bytes: &[u8]) -> bool {
    if bytes.starts_with(&[0xff, 0xfe]) {
        return true;
    }
    let sample = bytes.get(..bytes.len().min(64)).unwrap_or_default();
    let pairs = sample.chunks_exact(2);
    let nul = pairs
        .clone()
        .filter(|pair| matches!(pair, [low, 0] if *low != 0))
        .count();
    nul > 0 && nul * 2 >= pairs.len()
}

/// What is left when text was read as if it were one byte per character: without NUL and U+FEFF.
pub fn strip_nul_and_bom(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\0' | '\u{feff}'))
        .collect()
}

/// One row of `--list --verbose`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// The starred row.
    pub is_default: bool,
    /// Distro name.
    pub name: String,
    /// State in the user's language.
    pub state: String,
    /// WSL version of the distro, 1 or 2.
    pub version: u8,
}

impl ListRow {
    /// A row without star.
    pub fn new(name: &str, state: &str, version: u8) -> Self {
        Self {
            is_default: false,
            name: name.to_owned(),
            state: state.to_owned(),
            version,
        }
    }

    /// The same row, starred.
    #[must_use]
    pub fn as_default(mut self) -> Self {
        self.is_default = true;
        self
    }
}

/// Column heads of `--list --verbose`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labels {
    /// First column.
    pub name: &'static str,
    /// Second column.
    pub state: &'static str,
    /// Third column.
    pub version: &'static str,
}

impl Labels {
    /// As an English Windows prints them.
    pub const ENGLISH: Self = Self {
        name: "NAME",
        state: "STATE",
        version: "VERSION",
    };
}

/// Why a list can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// There is no first line with three heads.
    #[error("expected a line with three column heads, got '{0}'")]
    Heads(String),
    /// A row that does not fit the columns.
    #[error("line {line}: expected name, state and version under their heads, got '{text}'")]
    Row {
        /// Counted from 1, the heads included.
        line: usize,
        /// The row.
        text: String,
    },
}

/// The column of states has room for `Uninstalling`, whether or not a distro is being removed.
const LONGEST_STATE: usize = "Uninstalling".len();

/// `--list --verbose`: aligned columns, CRLF.
pub fn print_list(rows: &[ListRow], labels: &Labels) -> String {
    let width = |head: &str, cells: &mut dyn Iterator<Item = usize>| {
        cells
            .chain([head.chars().count()])
            .max()
            .unwrap_or_default()
            + 4
    };
    let names = width(
        labels.name,
        &mut rows.iter().map(|row| row.name.chars().count()),
    );
    let states = width(
        labels.state,
        &mut rows
            .iter()
            .map(|row| row.state.chars().count())
            .chain([LONGEST_STATE]),
    );
    let line = |star: char, name: &str, state: &str, version: &str| {
        format!("{star} {name:names$}{state:states$}{version}\r\n")
    };
    let heads = line(' ', labels.name, labels.state, labels.version);
    rows.iter().fold(heads, |text, row| {
        let star = if row.is_default { '*' } else { ' ' };
        text + &line(star, &row.name, &row.state, &row.version.to_string())
    })
}

/// Reads `--list --verbose` by the positions of its heads, whatever the language. State names may hold
/// spaces, distro names may not.
///
/// # Errors
/// [`ListError`] with the line that does not fit.
pub fn parse_list(text: &str) -> Result<Vec<ListRow>, ListError> {
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let heads = lines.next().map(|(_, line)| line).unwrap_or_default();
    let starts = column_starts(heads).ok_or_else(|| ListError::Heads(heads.trim().to_owned()))?;
    lines
        .map(|(index, line)| {
            parse_row(line, starts).ok_or_else(|| ListError::Row {
                line: index + 1,
                text: line.trim().to_owned(),
            })
        })
        .collect()
}

/// Where the second and third column begin, in characters. Heads are set apart by two spaces or more.
fn column_starts(heads: &str) -> Option<[usize; 2]> {
    let chars: Vec<char> = heads.chars().collect();
    let mut starts = Vec::new();
    let mut blanks = 2;
    for (index, c) in chars.iter().enumerate() {
        if c.is_whitespace() {
            blanks += 1;
        } else {
            if blanks >= 2 {
                starts.push(index);
            }
            blanks = 0;
        }
    }
    match starts.as_slice() {
        [_, second, third] => Some([*second, *third]),
        _ => None,
    }
}

fn parse_row(line: &str, [second, third]: [usize; 2]) -> Option<ListRow> {
    let cut = |from: usize, to: usize| line.chars().skip(from).take(to - from).collect::<String>();
    let first = cut(0, second);
    let name = first.trim_start_matches(['*', ' ']).trim();
    let state = cut(second, third);
    let version = cut(third, usize::MAX).trim().parse().ok()?;
    let fits = !name.is_empty() && !name.contains(char::is_whitespace) && !state.trim().is_empty();
    let is_default = first.starts_with('*');
    fits.then(|| ListRow {
        is_default,
        name: name.to_owned(),
        state: state.trim().to_owned(),
        version,
    })
}

/// `--list --quiet`: one name per line.
pub fn print_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().flat_map(|name| [name, "\r\n"]).collect()
}

/// Reads `--list --quiet`.
pub fn parse_names(text: &str) -> Vec<String> {
    strip_nul_and_bom(text)
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// The version of WSL itself: the first dotted number on a line with the word `WSL`. Labels differ by
/// language, and `WSLg` is another program.
pub fn parse_version(text: &str) -> Option<Vec<u32>> {
    let is_edge = |c: char| !c.is_alphanumeric();
    text.lines()
        .filter(|line| line.split(is_edge).any(|word| word == "WSL"))
        .find_map(|line| {
            line.split(|c: char| !c.is_ascii_digit() && c != '.')
                .find_map(dotted)
        })
}

fn dotted(word: &str) -> Option<Vec<u32>> {
    let parts: Vec<u32> = word
        .trim_matches('.')
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    (parts.len() >= 2).then_some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const OTHER: Labels = Labels {
        name: "NOMBRE",
        state: "ESTADO ACTUAL",
        version: "VERSIÓN",
    };

    #[test]
    fn an_english_list_looks_like_the_real_one() {
        let rows = [
            ListRow::new("Ubuntu", "Running", 2).as_default(),
            ListRow::new("docker-desktop", "Stopped", 1),
        ];
        let expected = "  NAME              STATE           VERSION\r\n* Ubuntu            Running         2\r\n  docker-desktop    Stopped         1\r\n";
        assert_eq!(print_list(&rows, &Labels::ENGLISH), expected);
    }

    #[rstest]
    #[case("", "expected a line with three column heads, got ''")]
    #[case(
        "NAME STATE",
        "expected a line with three column heads, got 'NAME STATE'"
    )]
    #[case(
        "  NAME    STATE    VERSION\nUbuntu",
        "line 2: expected name, state and version under their heads, got 'Ubuntu'"
    )]
    fn a_list_that_is_none_is_refused(#[case] text: &str, #[case] error: &str) {
        assert_eq!(parse_list(text).unwrap_err().to_string(), error);
    }

    #[rstest]
    #[case("WSL version: 2.4.13.0\r\nKernel version: 5.15.1-4\r\nWSLg version: 1.0.65\r\n", Some(vec![2, 4, 13, 0]))]
    #[case("WSLg: 1.0.65\nVersión de WSL: 2.6.1.0", Some(vec![2, 6, 1, 0]))]
    #[case("Kernel 5.15", None)]
    #[case("WSL 2", None)]
    fn the_version_is_found_in_any_language(
        #[case] text: &str,
        #[case] expected: Option<Vec<u32>>,
    ) {
        assert_eq!(parse_version(text), expected);
    }

    #[rstest]
    #[case(b"plain \xc3\xa9", "plain é")]
    #[case(b"\xef\xbb\xbfmarked", "marked")]
    #[case(b"", "")]
    #[case(b"x", "x")]
    #[case(b"bad \xff", "bad \u{fffd}")]
    fn other_output_is_utf8(#[case] bytes: &[u8], #[case] expected: &str) {
        assert_eq!(decode(bytes), expected);
    }

    #[test]
    fn text_read_as_bytes_loses_its_nul() {
        let bytes = encode_utf16le("Ubuntu\r\n", true);
        let misread: String = bytes.iter().skip(2).map(|&byte| char::from(byte)).collect();
        assert!(misread.contains('\0'));
        assert_eq!(parse_names(&misread), ["Ubuntu"]);
    }

    proptest! {
        #[test]
        fn a_list_is_read_back_in_any_language(
            rows in proptest::collection::vec(("[A-Za-z][A-Za-z0-9._-]{0,20}", "[A-Z][a-zé]{2,9}( [a-z]{2,5})?", 1_u8..3, any::<bool>()), 0..5),
            english in any::<bool>(),
            bom in any::<bool>(),
        ) {
            let rows: Vec<_> = rows.into_iter().map(|(name, state, version, is_default)| ListRow { is_default, name, state, version }).collect();
            let labels = if english { Labels::ENGLISH } else { OTHER };
            let bytes = encode_utf16le(&print_list(&rows, &labels), bom);
            prop_assert_eq!(parse_list(&decode(&bytes)), Ok(rows));
        }

        #[test]
        fn no_bytes_break_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let text = decode(&bytes);
            drop((parse_list(&text), parse_names(&text), parse_version(&text)));
        }
    }
}
