// SPDX-License-Identifier: GPL-2.0

//! The decoder of the kernel, built from the source tree of the lab.

use rkprobes_host::stock::Kernel;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, thread};

/// The decoder as a filter (kernel_insn.c), in a temporary folder. Dropping this removes the
/// folder.
pub struct Decoder(PathBuf);

impl Decoder {
    /// Builds the decoder. Returns `None` if there is no source tree.
    pub fn build() -> Option<Decoder> {
        let image = Kernel::lab_image();
        let tree = image.ancestors().nth(2)?.join("root/build/linux/tools");
        let lib = tree.join("arch/x86/lib");
        if !lib.join("insn.c").exists() {
            return None;
        }
        let dir = env::temp_dir().join(format!(
            "rkprobes-{}-{:?}-insn",
            std::process::id(),
            thread::current().id()
        ));
        fs::create_dir_all(&dir).expect("a temporary directory");
        let tables = Command::new("awk")
            .arg("-f")
            .arg(tree.join("arch/x86/tools/gen-insn-attr-x86.awk"))
            .arg(lib.join("x86-opcode-map.txt"))
            .output()
            .expect("awk runs");
        assert!(tables.status.success());
        fs::write(dir.join("inat-tables.c"), tables.stdout).expect("the tables");
        let include = |path: &Path| format!("-I{}", path.display());
        let includes = [
            &dir,
            &lib,
            &tree.join("arch/x86/include"),
            &tree.join("include"),
        ];
        let status = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(dir.join("kernel_insn"))
            .args(includes.map(|path| include(path)))
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/common/kernel_insn.c"
            ))
            .status()
            .expect("cc runs");
        assert!(status.success());
        Some(Decoder(dir))
    }

    /// The lengths of the instructions in 16-byte `strings`; 0 for each string that is refused.
    pub fn lengths<'a>(&self, strings: impl Iterator<Item = &'a [u8]> + Send) -> Vec<u8> {
        let mut child = Command::new(self.0.join("kernel_insn"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the filter runs");
        let input = child.stdin.take().expect("a pipe");
        let mut output = child.stdout.take().expect("a pipe");
        let mut lengths = Vec::new();
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut input = std::io::BufWriter::with_capacity(1 << 16, input);
                for string in strings {
                    input.write_all(string).expect("all is read");
                }
            });
            output.read_to_end(&mut lengths).expect("all is written");
        });
        assert!(child.wait().expect("the filter ends").success());
        lengths
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
