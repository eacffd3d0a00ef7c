use proptest::prelude::*;

use super::*;

/// All places of a text from one on, asked for one after the other.
fn places(filter: &Filter, text: &[u8], from: usize) -> Vec<usize> {
    let next = |from| filter.next(text, from).filter(|place| *place < text.len());
    std::iter::successors(next(from), |place| next(place + 1)).collect()
}

/// Whether one of the places is near enough behind `begin`.
fn is_seen(places: &[usize], begin: usize) -> bool {
    places
        .iter()
        .any(|place| (begin..=begin + FARTHEST).contains(place))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Wherever a form stands, from wherever the text is looked at, in whatever case, and though nothing is behind it.
    #[test]
    fn whatever_is_searched_for_is_seen(
        forms in prop::collection::vec("[ -~\u{e9}]{6,40}", 1..20),
        which in any::<prop::sample::Index>(),
        before in "[ -~]{0,40}",
        behind in "[ -~]{0,20}",
        is_upper in any::<bool>(),
    ) {
        let mut filter = Filter::default();
        for form in &forms {
            filter.add(form.as_bytes());
        }
        let form = which.get(&forms);
        let form = if is_upper { form.to_ascii_uppercase() } else { form.clone() };
        for behind in ["", behind.as_str()] {
            let text = [before.as_str(), form.as_str(), behind].concat();
            for from in 0..=before.len() {
                prop_assert!(is_seen(&places(&filter, text.as_bytes(), from), before.len()), "{text:?} {from}");
            }
        }
    }

    /// Of a form only the beginning may be known; it is seen when it goes on in any way.
    #[test]
    fn pieces_are_seen_wherever_they_begin(
        value in "[a-zA-Z0-9_-]{12,60}",
        begin in any::<prop::sample::Index>(),
        length in 12_usize..60,
        before in "[ -~]{0,20}",
        behind in "[ -~]{0,20}",
    ) {
        let mut filter = Filter::default();
        filter.add_pieces(value.as_bytes());
        let begin = begin.index(value.len() - 11);
        let piece = &value[begin..value.len().min(begin + length)];
        let text = [before.as_str(), piece, behind.as_str()].concat();
        prop_assert!(is_seen(&places(&filter, text.as_bytes(), 0), before.len()), "{text:?}");
    }
}

/// Each length, short and long, at each alignment, and at the end of the text.
#[test]
fn every_length_at_every_alignment() {
    let value = "Qx7-kW2vRt9_bN4mLz8pHs3dFg6jCy1aVe5u";
    for length in MIN_SEARCHED..value.len() {
        let mut filter = Filter::default();
        filter.add(&value.as_bytes()[..length]);
        for begin in 0..3 * STEP {
            for behind in 0..2 * STEP {
                let text = [
                    ".".repeat(begin).as_str(),
                    &value[..length],
                    &".".repeat(behind),
                ]
                .concat();
                let places = places(&filter, text.as_bytes(), 0);
                assert!(
                    is_seen(&places, begin),
                    "{length} bytes at {begin}, {behind} behind"
                );
            }
        }
    }
}

/// Otherwise it would be of no use.
#[test]
fn other_texts_have_hardly_any_places() {
    let mut filter = Filter::default();
    let secret = |at: u64| format!("{:016x}{:016x}", mixed(at), mixed(at + 1_000_000));
    for at in 1..100 {
        filter.add(secret(at).as_bytes());
    }
    filter.add(b"wrong0");
    let text = r#"{"type":"event","event":"tick","payload":{"ts":1795600000000}}"#.repeat(100);
    let count = places(&filter, text.as_bytes(), 0).len();
    assert!(count < 20, "{count} in {} bytes", text.len());
}

#[test]
fn a_full_one_is_made_larger() {
    let mut filter = Filter::default();
    assert!(filter.larger().is_none());
    filter.add_pieces(&[b'x'; 3000]);
    let larger = filter.larger().unwrap();
    assert_eq!((larger.count, larger.long.len()), (0, LEAST_WORDS * GROWTH));
}
