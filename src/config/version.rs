//! Versions of Python packages, and which of them are wanted: PEP 440 but for `===` and for what is
//! compared of local versions.

use std::cmp::Ordering;

/// A version, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    epoch: u64,
    release: Vec<u64>,
    /// Development before alpha before beta before candidate before the release before what came after:
    /// −4 … 0, 1; with its number.
    stage: (i8, u64),
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let text = text.strip_prefix('v').unwrap_or(&text);
        let text = text.split('+').next()?;
        let (epoch, text) = match text.split_once('!') {
            Some((epoch, text)) => (epoch.parse().ok()?, text),
            None => (0, text),
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let numbers = numbers.trim_end_matches('.');
        let release: Option<Vec<u64>> = numbers.split('.').map(|part| part.parse().ok()).collect();
        let rest = rest.trim_start_matches(['.', '-', '_']);
        let stages = [
            ("dev", -4),
            ("alpha", -3),
            ("a", -3),
            ("beta", -2),
            ("b", -2),
            ("rc", -1),
            ("c", -1),
            ("post", 1),
        ];
        let stage = match stages.iter().find_map(|(word, stage)| Some((rest.strip_prefix(word)?, *stage))) {
            Some((number, stage)) => {
                let number = number.trim_start_matches(['.', '-', '_']);
                let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
                (stage, digits.parse().unwrap_or(0))
            }
            None if rest.is_empty() => (0, 0),
            None => return None,
        };
        Some(Self { epoch, release: release?, stage })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let length = self.release.len().max(other.release.len());
        let padded = |version: &Self| -> Vec<u64> {
            let zeros = std::iter::repeat(0);
            version.release.iter().copied().chain(zeros).take(length).collect()
        };
        let key = |version: &Self| (version.epoch, padded(version), version.stage);
        key(self).cmp(&key(other))
    }

    /// Whether its first numbers are these.
    fn begins(&self, prefix: &Self) -> bool {
        let zeros = std::iter::repeat(&0);
        self.epoch == prefix.epoch
            && self.release.iter().chain(zeros).zip(&prefix.release).all(|(own, wanted)| own == wanted)
    }
}

/// Versions that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted(Vec<Clause>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    operator: &'static str,
    version: Version,
    /// `.*` stood behind it.
    prefix: bool,
}

impl Wanted {
    /// Parses `>=2.1,<3`, `==1.26.*`, `~=4.30`, `2.1.0`; nothing and `*` are any version.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        const OPERATORS: [&str; 7] = ["==", "!=", ">=", "<=", "~=", ">", "<"];
        if matches!(text.trim(), "" | "*") {
            return Ok(Self(Vec::new()));
        }
        let clause = |text: &str| {
            let text = text.trim();
            let operator = OPERATORS.into_iter().find(|operator| text.starts_with(operator));
            let version = text.trim_start_matches(operator.unwrap_or_default()).trim();
            let (version, prefix) = match version.strip_suffix(".*") {
                Some(version) => (version, true),
                None => (version, false),
            };
            let operator = operator.unwrap_or("==");
            let parsed = Version::parse(version).ok_or_else(|| format!("`{text}` is no version"))?;
            if prefix && !matches!(operator, "==" | "!=") {
                return Err(format!("`{text}`: `.*` goes with == and != only"));
            }
            if operator == "~=" && parsed.release.len() < 2 {
                return Err(format!("`{text}`: ~= needs two numbers at least"));
            }
            Ok(Clause { operator, version: parsed, prefix })
        };
        text.split(',').map(clause).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this version will do; `None` where it is no version.
    pub fn fits(&self, version: &str) -> Option<bool> {
        let version = Version::parse(version)?;
        Some(self.0.iter().all(|clause| clause.fits(&version)))
    }
}

impl Clause {
    fn fits(&self, version: &Version) -> bool {
        let order = version.compare(&self.version);
        match self.operator {
            "==" if self.prefix => version.begins(&self.version),
            "!=" if self.prefix => !version.begins(&self.version),
            "==" => order.is_eq(),
            "!=" => order.is_ne(),
            ">=" => order.is_ge(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            "<" => order.is_lt(),
            // Compatible: at least this, and the same but for the last number.
            _ => {
                let mut series = self.version.clone();
                series.release.pop();
                order.is_ge() && version.begins(&series)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_fit_as_pip_says() {
        for (wanted, version, fits) in [
            (">=2.1,<3", "2.1.0+cu121", true),
            (">=2.1,<3", "3.0", false),
            (">=2.1", "2.1rc1", false),
            (">=2.1", "2.10", true),
            ("==1.26.*", "1.26.4", true),
            ("==1.26.*", "1.27", false),
            ("1.26", "1.26.0", true),
            ("!=2.0.1", "2.0.1", false),
            ("~=4.30", "4.41", true),
            ("~=4.30", "5.0", false),
            ("~=4.30.1", "4.31", false),
            (">1.0", "1.0.post1", true),
            ("<2", "2.0.dev1", true),
            ("*", "0.0.1a1", true),
            ("", "7", true),
            ("==1!2.0", "2.0", false),
        ] {
            assert_eq!(Wanted::parse(wanted).unwrap().fits(version), Some(fits), "{version} for {wanted}");
        }
        assert_eq!(Wanted::parse(">=1").unwrap().fits("unknown"), None);
    }

    #[test]
    fn what_is_no_version_is_named() {
        for wanted in ["latest", ">=", ">=2.*", "~=4", "2.1;"] {
            assert!(Wanted::parse(wanted).is_err(), "{wanted}");
        }
    }
}
