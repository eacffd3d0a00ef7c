use proptest::prelude::*;

use super::*;

#[test]
fn the_longest_needle_at_the_first_place_wins() {
    let mut needles = Needles::new();
    needles.add(0, "secret", Pieces::All);
    needles.add(1, "secret-two", Pieces::All);
    needles.add(2, "cut-off-that-is-long", Pieces::All);
    let hit = needles.find(b"a secret-two", 0).unwrap();
    assert_eq!((hit.start, hit.end, hit.secret), (2, 12, 1));
    let hit = needles.find(b"x cut-off-that-i!", 0).unwrap();
    assert_eq!((hit.start, hit.end), (2, 16));
    assert_eq!(needles.find(b"secre", 0), None);
}

#[test]
fn of_two_equal_needles_the_whole_and_then_the_older_one_wins() {
    let mut needles = Needles::new();
    needles.add(0, "same-beginning-and-more", Pieces::All);
    needles.add(1, "same-beginning", Pieces::All);
    needles.add(2, "same-beginning", Pieces::All);
    assert_eq!(needles.find(b"same-beginning", 0).unwrap().secret, 1);
}

/// Every form and piece of a secret, made in advance: how it is written, how it begins, and how it may go on.
fn written(value: &str, pieces: Pieces) -> Vec<(Encoding, Vec<u8>, Vec<u8>)> {
    let whole = encoding::forms(value).into_iter();
    let mut all: Vec<_> = whole.map(|(how, form)| (how, form, Vec::new())).collect();
    if pieces != Pieces::None && value.len() >= 16 {
        let (head, rest) = value.as_bytes().split_at(12);
        all.push((Encoding::Prefix, head.to_vec(), rest.to_vec()));
    }
    if pieces == Pieces::All {
        for (at, window) in encoding::parts(value) {
            let rest = value.as_bytes()[at + 12..].to_vec();
            all.push((Encoding::Part, window.to_vec(), rest));
        }
    }
    all
}

/// What [`Needles::find`] means, said without any table.
fn naive(secrets: &[(String, Pieces)], text: &[u8], from: usize) -> Option<Hit> {
    (from..text.len()).find_map(|start| {
        let tail = &text[start..];
        let mut best: Option<(usize, bool, Hit)> = None;
        for (secret, (value, pieces)) in secrets.iter().enumerate() {
            for (encoding, begin, rest) in written(value, *pieces) {
                let Some(more) = tail.strip_prefix(begin.as_slice()) else {
                    continue;
                };
                let length = begin.len() + agreeing(&rest, more);
                let is_whole = !matches!(encoding, Encoding::Prefix | Encoding::Part);
                if best.is_none_or(|(most, whole, _)| (most, whole) < (length, is_whole)) {
                    let hit = Hit {
                        start,
                        end: start + length,
                        secret,
                        encoding,
                    };
                    best = Some((length, is_whole, hit));
                }
            }
        }
        best.map(|(_, _, hit)| hit)
    })
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{3,9}",
        "[ab]{10,30}",
        "[aB1]{12,40}",
        "[aB1\"\\\\ \u{e9}\u{20ac}]{2,30}",
        "[0-9a-f]{20,64}",
        // Escaped further on only, in the part by which forms are told apart and behind it.
        "[ab]{12,60}[\"/+ \u{e9}]{1,3}[ab]{0,9}",
    ]
}

/// A text that holds whole secrets, other forms of them, and pieces: a whole form where none of it is left out.
fn text(secrets: &[(String, Pieces)], picks: &[(usize, usize, usize, usize)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (secret, how, from, length) in picks {
        let (value, _) = &secrets[secret % secrets.len()];
        let mut forms = vec![(Encoding::Raw, value.clone().into_bytes())];
        forms.extend(encoding::forms(value));
        let form = &forms[how % forms.len()].1;
        let length = if *from == 0 { form.len() } else { *length };
        let piece = form.iter().skip(from % (form.len() + 1)).take(length);
        text.extend(piece);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever the secrets, signs and grown tables find what a plain search finds.
    #[test]
    fn it_finds_what_a_plain_search_finds(
        values in prop::collection::vec((value(), 0_usize..3), 1..40),
        picks in prop::collection::vec(
            (0_usize..40, 0_usize..20, prop_oneof![Just(0), 0_usize..30], 0_usize..60),
            0..8,
        ),
        from in 0_usize..20,
    ) {
        let pieces = [Pieces::None, Pieces::Beginning, Pieces::All];
        let secrets: Vec<_> =
            values.into_iter().map(|(value, which)| (value, pieces[which])).collect();
        let mut needles = Needles::new();
        for (number, (value, pieces)) in secrets.iter().enumerate() {
            needles.add(number, value, *pieces);
        }
        let text = text(&secrets, &picks);
        prop_assert_eq!(needles.find(&text, from), naive(&secrets, &text, from));
    }
}

/// However full the filter was when a secret was added, and however large it became: all of them are found, in every form.
#[test]
fn many_secrets_are_all_found() {
    let secret = |at: usize| match at % 5 {
        0 => format!("{:06}", at * 7 + 100_000),
        1 => format!("word-{at}-word"),
        2 => format!("yV3{at}-Issued0Token{at}"),
        3 => format!("a\"b{at}\u{e9}"),
        _ => format!(
            "{:x}",
            (at as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
        ),
    };
    let mut needles = Needles::new();
    needles.add_name("probe of somebody".into());
    for at in 0..300 {
        needles.add(at, &secret(at), Pieces::All);
    }
    assert!(needles.next_place(b"a PROBE of somebody", 0).is_some());
    for at in 0..300 {
        let value = secret(at);
        for (how, form) in encoding::forms(&value) {
            for begin in [0, 5] {
                let text = [&b"\0\0\0\0\0\0"[..begin], &form].concat();
                let hit = needles.find(&text, 0);
                let is_found = hit.is_some_and(|hit| hit.start <= begin && hit.end > begin);
                assert!(is_found, "{value} as {how} behind {begin}");
            }
        }
    }
}

/// Of hits of both kinds, told by windows at other steps, the first one is found first.
#[test]
fn short_and_long_ones_are_found_in_order() {
    let mut needles = Needles::new();
    needles.add(0, "short7", Pieces::All);
    needles.add(1, "Long-Enough-To-Have-Pieces-47", Pieces::All);
    for gap in 0..40 {
        let gap = ".".repeat(gap);
        for (first, second) in [
            ("short7", "Long-Enough-To-Have-Pieces-47"),
            ("Long-Enough-To-Have-Pieces-47", "short7"),
        ] {
            let text = [&gap, first, &gap, second, &gap].concat();
            let hit = needles.find(text.as_bytes(), 0).unwrap();
            assert_eq!(&text[hit.start..hit.end], first, "{text}");
            let next = needles.find(text.as_bytes(), hit.end).unwrap();
            assert_eq!(&text[next.start..next.end], second, "{text}");
            assert!(needles.find(text.as_bytes(), next.end).is_none(), "{text}");
        }
    }
}
