//! Random sparse disks through chains of formats come back identical, with holes still holes.
use proptest::prelude::*;

use super::*;

const CLUSTER: u64 = 64 << 10;

/// A disk as its number of clusters and which of them hold text, noise or written zeroes.
fn disks() -> impl Strategy<Value = (u64, Vec<(u64, u8, u64)>)> {
    (1..400_u64).prop_flat_map(|clusters| {
        (Just(clusters), prop::collection::vec((0..clusters, 0..3_u8, any::<u64>()), 0..12))
    })
}

fn step(src: &Path, dst: &Path, format: OutputFormat, level: Option<u32>) {
    try_convert(&*opened(src), &[target(format, dst, level)], 2).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disks_survive_any_chain_of_formats(
        (clusters, pieces) in disks(),
        chain in prop::collection::vec((0..6_u8, 1..13_u32), 1..4),
    ) {
        let dir = folder();
        let pieces: Vec<(u64, Vec<u8>)> = pieces
            .into_iter()
            .map(|(cluster, kind, seed)| {
                let len = CLUSTER as usize;
                (cluster * CLUSTER, match kind {
                    0 => prose(seed, len),
                    1 => noise(seed, len),
                    _ => vec![0; len],
                })
            })
            .collect();
        let source = raw(&dir.path().join("source.raw"), clusters * CLUSTER, &pieces);
        let disk = opened(&source);
        let mut last = source;
        let mut mapped = true;
        for (index, (kind, level)) in chain.into_iter().enumerate() {
            let next = dir.path().join(index.to_string());
            match kind {
                0 => step(&last, &next, OutputFormat::Raw, None),
                1 => step(&last, &next, OutputFormat::Qcow2, None),
                2 => step(&last, &next, OutputFormat::Qcow2, Some(level)),
                3 => step(&last, &next, OutputFormat::Vmdk, Some(level)),
                4 => step(&last, &next, OutputFormat::Ova, Some(level)),
                _ => {
                    let packed = dir.path().join("packed.raw.gz");
                    step(&last, &packed, OutputFormat::RawGz, Some(level));
                    super::super::decompress(&packed, &next, &|_| {}, &|| false).unwrap();
                    // gzip has no map: what was written as zeroes cannot be told from a hole any more.
                    mapped = false;
                }
            }
            last = next;
        }
        let result = opened(&last);
        prop_assert!(content(&*result) == content(&*disk));
        if mapped {
            prop_assert_eq!(holes(&*result), holes(&*disk));
        }
    }
}
