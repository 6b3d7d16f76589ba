//! Python's installed packages, from the names and files of their metadata. No interpreter is run.

use serde::{Deserialize, Serialize};
use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file of metadata or of a version is read up to here, bytes.
const READ: u64 = 64 * 1024;

/// A package and the versions that are installed of it: several are a broken installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// As it was asked for.
    pub name: String,
    /// Its versions, that which is imported first.
    pub versions: Vec<String>,
}

/// The interpreter: as configured, of the active environment, or the first on the `PATH`.
pub(super) fn interpreter(python: Option<&Path>) -> Option<PathBuf> {
    let of = |prefix: &Path| Some(prefix.join("bin/python3")).filter(|path| path.exists());
    match python {
        Some(path) if path.is_dir() => of(path),
        Some(path) => Some(path.to_owned()),
        None => {
            let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os);
            let mut active = active.filter_map(|prefix| of(Path::new(&prefix)));
            active.next().or_else(|| super::on_path("python3").map(PathBuf::from))
        }
    }
}

/// The directories of packages, in the order in which Python itself looks.
pub(super) fn places(python: Option<&Path>) -> Vec<PathBuf> {
    let Some(interpreter) = interpreter(python) else { return Vec::new() };
    let Some(prefix) = interpreter.parent().and_then(Path::parent) else { return Vec::new() };
    let own = prefix.join("pyvenv.cfg").exists() || prefix.join("conda-meta").exists();
    let version = version(&interpreter);
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut patterns = Vec::new();
    if !own {
        patterns.push(home.join(format!(".local/lib/{version}/site-packages")));
        patterns.push(Path::new("/usr/local/lib").join(&version).join("dist-packages"));
    }
    patterns.push(prefix.join("lib").join(&version).join("site-packages"));
    if !own {
        patterns.push(prefix.join("lib/python3/dist-packages"));
    }
    let found =
        patterns.iter().flat_map(|pattern| glob::glob(&pattern.to_string_lossy()).into_iter().flatten());
    found.flatten().filter(|path| path.is_dir()).collect()
}

/// `python3.11`, which `python3` is a link to; a pattern where that is not to be seen.
fn version(interpreter: &Path) -> String {
    let real = interpreter.canonicalize().ok();
    let name = real.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    name.filter(|name| name.starts_with("python3.")).unwrap_or("python3*").to_owned()
}

/// Names are the same whatever their case and whether `-`, `_` or `.` parts them.
fn normal(name: &str) -> String {
    let name = name.to_lowercase().replace(['_', '.'], "-");
    name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The versions of these packages.
pub(super) fn packages(places: &[PathBuf], names: &[String]) -> Vec<Package> {
    let mut packages: Vec<Package> =
        names.iter().map(|name| Package { name: name.clone(), versions: Vec::new() }).collect();
    for place in places {
        // What stands in an earlier place hides what stands in a later one.
        let hidden: Vec<bool> = packages.iter().map(|package| !package.versions.is_empty()).collect();
        for entry in place.read_dir().into_iter().flatten().flatten() {
            let file = entry.file_name();
            let Some((name, version)) = metadata(&entry.path(), &file.to_string_lossy()) else { continue };
            for (package, hidden) in packages.iter_mut().zip(&hidden) {
                if normal(&package.name) == normal(&name) && !hidden {
                    package.versions.push(version.clone());
                }
            }
        }
    }
    packages
}

/// Name and version of `torch-2.1.0+cu121.dist-info` and `PyYAML-6.0.egg-info`. What pip left behind
/// of an uninstallation begins with `~` and is none.
fn metadata(path: &Path, file: &str) -> Option<(String, String)> {
    let stem = file.strip_suffix(".dist-info").or_else(|| file.strip_suffix(".egg-info"))?;
    let mut parts = stem.split('-');
    let name = parts.next().filter(|name| !name.is_empty() && !name.starts_with('~'))?;
    if let Some(version) = parts.next() {
        return Some((name.to_owned(), version.to_owned()));
    }
    let text = ["METADATA", "PKG-INFO"].iter().find_map(|file| text(&path.join(file)))?;
    let version = text.lines().find_map(|line| line.strip_prefix("Version: "))?;
    Some((name.to_owned(), version.trim().to_owned()))
}

/// The CUDA version of the runtime that torch brings, or of the runtime's own package.
pub(super) fn runtime(places: &[PathBuf]) -> Option<((u32, u32), String)> {
    for place in places {
        let path = place.join("torch/version.py");
        let of_torch = text(&path).and_then(|text| cuda_of(&text));
        if let Some(version) = of_torch {
            return Some((version, path.display().to_string()));
        }
    }
    let names = [
        "nvidia-cuda-runtime",
        "nvidia-cuda-runtime-cu13",
        "nvidia-cuda-runtime-cu12",
        "nvidia-cuda-runtime-cu11",
    ];
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    packages(places, &names).into_iter().find_map(|package| {
        let version = pair(package.versions.first()?)?;
        Some((version, package.name))
    })
}

/// `cuda: Optional[str] = '12.4'`; a build without CUDA says `None`.
fn cuda_of(text: &str) -> Option<(u32, u32)> {
    let line = text.lines().find(|line| line.starts_with("cuda"))?;
    pair(line.split_once('=')?.1.trim().trim_matches(['\'', '"']))
}

fn pair(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(READ).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn environment() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let site = dir.path().join("lib/python3.12/site-packages");
        for name in [
            "torch-2.1.0+cu121.dist-info",
            "Py.YAML_ext-6.0.egg-info",
            "~orch-1.0.dist-info",
            "two-1.0.dist-info",
            "two-2.0.dist-info",
            "bare.egg-info",
            "torch",
        ] {
            std::fs::create_dir_all(site.join(name)).unwrap();
        }
        let put = |name: &str, text: &str| {
            std::fs::File::create(site.join(name)).unwrap().write_all(text.as_bytes()).unwrap();
        };
        put("bare.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: bare\nVersion: 3.2\n");
        put("torch/version.py", "__version__ = '2.1.0+cu121'\ncuda: Optional[str] = '12.1'\n");
        std::fs::create_dir_all(dir.path().join("bin")).unwrap();
        std::fs::File::create(dir.path().join("bin/python3")).unwrap();
        std::fs::File::create(dir.path().join("pyvenv.cfg")).unwrap();
        dir
    }

    #[test]
    fn versions_come_from_the_names_of_metadata_in_an_environments_own_directory() {
        let dir = environment();
        let places = places(Some(dir.path()));
        assert_eq!(places.len(), 1, "{places:?}");
        let names = ["Torch", "py-yaml.ext", "two", "bare", "none"].map(str::to_owned);
        let mut versions: Vec<Vec<String>> =
            packages(&places, &names).into_iter().map(|package| package.versions).collect();
        versions[2].sort();
        let expected: [&[&str]; 5] = [&["2.1.0+cu121"], &["6.0"], &["1.0", "2.0"], &["3.2"], &[]];
        assert_eq!(versions, expected);
        assert_eq!(runtime(&places).unwrap().0, (12, 1));
    }

    #[test]
    fn a_build_without_cuda_has_no_runtime() {
        assert_eq!(cuda_of("cuda: Optional[str] = None\n"), None);
        assert_eq!(cuda_of("cuda = \"11.8\"\n"), Some((11, 8)));
    }
}
