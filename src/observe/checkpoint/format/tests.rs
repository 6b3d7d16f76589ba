use super::*;
use proptest::prelude::*;
use std::io::Write;

/// A zip of one stored member, as the specification has it.
pub(in crate::observe::checkpoint) fn zip(comment: &[u8]) -> Vec<u8> {
    let data = [7; 3000];
    let mut zip = b"PK\x03\x04".to_vec();
    zip.extend([0; 22]);
    zip.extend([4, 0, 0, 0]);
    zip.extend(b"data");
    zip.extend(data);
    let offset = zip.len() as u32;
    zip.extend(b"PK\x01\x02");
    zip.extend([0; 42]);
    zip.extend(b"data");
    let size = zip.len() as u32 - offset;
    zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend(size.to_le_bytes());
    zip.extend(offset.to_le_bytes());
    zip.extend((comment.len() as u16).to_le_bytes());
    zip.extend(comment);
    zip
}

/// The same with its directory in zip64 records.
fn zip64() -> Vec<u8> {
    let mut zip = zip(b"");
    let end = zip.split_off(zip.len() - 22);
    let (size, offset) = (&end[12..16], &end[16..20]);
    let place = zip.len() as u64;
    zip.extend(b"PK\x06\x06");
    zip.extend([0; 36]);
    zip.extend([size, &[0; 4], offset, &[0; 4]].concat());
    zip.extend(b"PK\x06\x07\0\0\0\0");
    zip.extend(place.to_le_bytes());
    zip.extend([1, 0, 0, 0]);
    zip.extend(&end[..12]);
    zip.extend([0xff; 8]);
    zip.extend([0, 0]);
    zip
}

/// Tensors of so many bytes each, as the safetensors README has it.
fn safetensors(tensors: usize, bytes: usize) -> Vec<u8> {
    let entry = |index: usize| {
        let (from, to) = (index * bytes, (index + 1) * bytes);
        format!(r#""layer.{index}":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[{from},{to}]}}"#)
    };
    let header = format!("{{{}}}", (0..tensors).map(entry).collect::<Vec<_>>().join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.resize(file.len() + tensors * bytes, 7);
    file
}

/// A superblock of this version, in a file that it says is `end` bytes long.
fn hdf5(version: u8, end: u64) -> Vec<u8> {
    let mut file = b"\x89HDF\r\n\x1a\n".to_vec();
    file.push(version);
    match version {
        0 => file.extend([0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0]),
        1 => file.extend([0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0, 32, 0, 0, 0]),
        _ => file.extend([8, 8, 0]),
    }
    file.extend(0_u64.to_le_bytes());
    file.extend(u64::MAX.to_le_bytes());
    file.extend(end.to_le_bytes());
    file.resize(2048, 0);
    file
}

fn fault_of(name: &str, bytes: &[u8]) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    File::create(&path).unwrap().write_all(bytes).unwrap();
    fault(&path, name).unwrap()
}

#[test]
fn whole_files_are_sound_and_what_is_cut_or_empty_or_zeros_is_told() {
    let cut = |mut bytes: Vec<u8>, to: usize| {
        bytes.truncate(to);
        bytes
    };
    let pickle = || b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    let table: &[(&str, Vec<u8>, Option<&str>)] = &[
        ("a.pt", zip(b""), None),
        ("a.pth", zip(b"a comment"), None),
        ("a.ckpt", zip(&vec![b'x'; 60_000]), None),
        ("a.pt", zip64(), None),
        ("a.npz", zip(b"PK\x05\x06 in a comment is no end record"), None),
        ("a.keras", zip(b""), None),
        ("a.pt", cut(zip(b""), 2000), Some("end-of-central-directory")),
        ("a.pt", cut(zip(b""), 3050), Some("end-of-central-directory")),
        ("a.npz", cut(zip(b""), 40), Some("end-of-central-directory")),
        ("a.pt", zip(b"")[..40].iter().chain(&zip(b"")[2000..]).copied().collect(), Some("directory is not")),
        ("a.pt", pickle(), None),
        ("a.pt", cut(pickle(), 5), None),
        ("pytorch_model.bin", pickle(), None),
        ("a.npz", pickle(), Some("does not begin as a zip")),
        ("a.pt", Vec::new(), Some("empty")),
        ("a.pdparams", Vec::new(), Some("empty")),
        ("a.pt", vec![0; 4096], Some("zeros")),
        ("a.safetensors", safetensors(3, 100), None),
        ("a.safetensors", safetensors(2000, 10), None),
        ("a.safetensors", cut(safetensors(3, 100), 400), Some("names tensors up to byte")),
        ("a.safetensors", cut(safetensors(2000, 10), 150_000), Some("names tensors up to byte")),
        ("a.safetensors", cut(safetensors(2000, 10), 90_000), Some("header takes")),
        ("a.safetensors", vec![0; 4096], Some("length of a safetensors header")),
        ("a.safetensors", b"\x08\0\0\0\0\0\0\0not JSON".to_vec(), Some("not JSON")),
        ("a.h5", hdf5(0, 2048), None),
        ("a.h5", hdf5(1, 2048), None),
        ("a.h5", hdf5(3, 2048), None),
        ("a.h5", hdf5(0, 2049), Some("ends at byte 2049, the file has 2048")),
        ("a.h5", hdf5(1, 2049), Some("ends at byte 2049")),
        ("a.h5", hdf5(2, 2049), Some("ends at byte 2049")),
        ("a.h5", [vec![b'#'; 512], hdf5(0, 2048)].concat(), None),
        ("a.h5", b"no HDF5 at all".to_vec(), Some("no HDF5 signature")),
        ("a.msgpack", b"\x82\xa1a\x01\xa1b\x02".to_vec(), None),
        ("a.msgpack", b"\xdf\0\0\0\x01\xa1a\x01".to_vec(), None),
        ("a.msgpack", b"text".to_vec(), Some("msgpack")),
        ("notes.txt", Vec::new(), None),
    ];
    for (name, bytes, expected) in table {
        let found = fault_of(name, bytes);
        let right = match (&found, expected) {
            (Some(found), Some(expected)) => found.contains(expected),
            (found, expected) => found.is_none() && expected.is_none(),
        };
        assert!(right, "{name} of {} bytes: {found:?}, expected {expected:?}", bytes.len());
    }
}

#[test]
fn a_zip_or_safetensors_cut_anywhere_is_told() {
    for to in 1..zip64().len() {
        assert!(fault_of("a.pt", &zip64()[..to]).is_some() || to < 4, "zip at {to}");
    }
    for to in 1..safetensors(3, 100).len() {
        assert!(fault_of("a.safetensors", &safetensors(3, 100)[..to]).is_some(), "safetensors at {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_under_any_name_are_survived(
        start in prop::sample::select(vec![zip(b""), zip64(), safetensors(3, 9), hdf5(0, 7), hdf5(2, 7), Vec::new()]),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        name in prop::sample::select(vec!["a.pt", "a.npz", "a.safetensors", "a.h5", "a.msgpack"]),
    ) {
        let mut bytes = start;
        for (index, byte) in noise {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        File::create(&path).unwrap().write_all(&bytes).unwrap();
        drop(fault(&path, name));
    }
}
