//! CRC-32C (Castagnoli, reflected, as in RFC 3720), eight bytes at a time, and the mask that the
//! record files of TensorFlow put over it.

const POLYNOMIAL: u32 = 0x82f6_3b78;

/// `TABLES[n][byte]`: what a byte does to the sum when `n` more bytes follow it.
const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut behind = 1;
    while behind < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[behind - 1][byte];
            tables[behind][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        behind += 1;
    }
    tables
}

/// The sum of some bytes.
pub(super) fn sum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    let mut eights = bytes.chunks_exact(8);
    for eight in &mut eights {
        let mut mixed = [0; 8];
        mixed.copy_from_slice(eight);
        let mixed = u64::from_le_bytes(mixed) ^ u64::from(sum);
        sum = 0;
        for (behind, byte) in mixed.to_be_bytes().into_iter().enumerate() {
            sum ^= TABLES[behind][usize::from(byte)];
        }
    }
    for byte in eights.remainder() {
        sum = sum >> 8 ^ TABLES[0][usize::from(sum as u8 ^ byte)];
    }
    !sum
}

/// The sum as a record file holds it: rotated and shifted, so that a sum over bytes that hold sums
/// is none of a special kind.
pub(super) fn masked(bytes: &[u8]) -> u32 {
    sum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::{masked, sum};

    #[test]
    fn sums_are_those_of_the_standard() {
        assert_eq!(sum(b""), 0);
        assert_eq!(sum(b"123456789"), 0xe306_9283);
        // RFC 3720, B.4.
        assert_eq!(sum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(sum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(sum(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(masked(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
