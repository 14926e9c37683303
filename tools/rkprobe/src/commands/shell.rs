// SPDX-License-Identifier: GPL-2.0

//! `completions`, `man`: what shells and readers of manuals need.

use crate::cli::Cli;
use crate::error::{Error, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::fs;
use std::path::Path;

/// Words that complete targets with the functions of the kernel, for each shell.
const BASH: &str = "
_rkprobe_targets() {
    local word=${COMP_WORDS[COMP_CWORD]}
    _rkprobe \"$@\"
    case ${COMP_WORDS[1]}:$word in
    *:-*) ;;
    add:?* | explain:?* | count:?* | heat:?* | cover:?* | trace:?*)
        COMPREPLY+=($(awk -v word=\"$word\" 'index($3, word) == 1 && $2 ~ /[tTwW]/ && $3 !~ /^__(pfx|cfi)_/ { print $3 }' /proc/kallsyms | sort -u))
        ;;
    esac
}
complete -F _rkprobe_targets -o bashdefault -o default rkprobe
";

/// The completions of a shell.
///
/// # Errors
///
/// None now.
pub(super) fn completions(shell: Shell) -> Result<String> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rkprobe", &mut text);
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if shell == Shell::Bash {
        text.push_str(BASH);
    }
    Ok(text)
}

/// Writes a man page for the tool, and one for each command.
///
/// # Errors
///
/// `Io`.
pub(super) fn man(folder: &Path) -> Result<bool> {
    let mut command = Cli::command();
    command.build();
    write_page(folder, &command, "rkprobe")?;
    for command in command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        write_page(folder, command, &format!("rkprobe-{}", command.get_name()))?;
    }
    Ok(true)
}

fn write_page(folder: &Path, command: &Command, name: &str) -> Result<()> {
    let path = folder.join(format!("{name}.1"));
    let mut page = Vec::new();
    // man finds the page of a command by the name with a dash.
    let command = command
        .clone()
        .name(name.to_owned())
        .display_name(name.to_owned());
    clap_mangen::Man::new(command).render(&mut page)?;
    fs::write(&path, page).map_err(|error| Error::file(&path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_and_manuals_have_all_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = completions(shell).unwrap();
            for command in ["heat", "count", "cover", "trace", "top"] {
                assert!(text.contains(command), "{shell}: {command}");
            }
        }
        let folder = std::env::temp_dir().join(format!("rkprobe-man-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        man(&folder).unwrap();
        let page = fs::read_to_string(folder.join("rkprobe-heat.1")).unwrap();
        assert!(page.contains("rkprobe heat vfs_read"));
        assert!(folder.join("rkprobe.1").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
