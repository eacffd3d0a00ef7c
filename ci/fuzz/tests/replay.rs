//! Replays the corpus, and a fixed number of mutations of it, on the stable compiler.

use std::path::{Path, PathBuf};

use clawproof_fuzz::frame_path;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Mutations of each file; the same ones every time.
const MUTATIONS: u64 = 300;

fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/frame_path");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn the_corpus_is_not_empty() {
    assert!(corpus().len() >= 20, "{} files", corpus().len());
}

#[test]
fn every_file_of_the_corpus_is_survived() {
    for (_, bytes) in corpus() {
        frame_path(&bytes);
    }
}

#[test]
fn mutations_of_the_corpus_are_survived() {
    let files = corpus();
    for (number, (_, bytes)) in (0_u64..).zip(&files) {
        let mut chance = ChaCha8Rng::seed_from_u64(number);
        for _ in 0..MUTATIONS {
            let mut mutated = bytes.clone();
            for _ in 0..=chance.next_u32() % 4 {
                mutate(&mut mutated, &files, &mut chance);
            }
            frame_path(&mutated);
        }
    }
}

/// One small change: flip a byte, cut, repeat a piece, swap a word for another, splice another file.
fn mutate(bytes: &mut Vec<u8>, files: &[(PathBuf, Vec<u8>)], chance: &mut ChaCha8Rng) {
    const WORDS: [&str; 12] = [
        "null",
        "-1",
        "1e999",
        "\"\"",
        "{}",
        "[]",
        "true",
        "\\u0000",
        "\"\\ud800\"",
        "18446744073709551616",
        "\n",
        "9007199254740993",
    ];
    let mut below = |limit: usize| chance.next_u64() as usize % limit.max(1);
    let start = below(bytes.len());
    let end = (start + below(40)).min(bytes.len());
    match below(6) {
        0 => {
            if let Some(byte) = bytes.get_mut(start) {
                *byte ^= 1 << below(8);
            }
        }
        1 => drop(bytes.drain(start..end)),
        2 => {
            let piece = bytes[start..end].to_vec();
            bytes.splice(start..start, piece);
        }
        3 => {
            let value_end = bytes[start..]
                .iter()
                .position(|byte| b",}]".contains(byte))
                .map_or(end, |at| start + at);
            bytes.splice(start..value_end, WORDS[below(WORDS.len())].bytes());
        }
        4 => bytes.truncate(start),
        _ => {
            let other = &files[below(files.len())].1;
            let from = below(other.len());
            bytes.splice(start.., other[from..].iter().copied());
        }
    }
}
