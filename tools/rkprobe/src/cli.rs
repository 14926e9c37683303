// SPDX-License-Identifier: GPL-2.0

//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

const STATUS: &str = "\
Exit status:
  0  done
  1  the module refused the request, or a part of it
  2  the command line is wrong
  3  the module, a file system or the permission is missing
  4  a file cannot be read or written";

/// Look into a running kernel with the probes of the module rkprobes
///
/// Targets are those of the module: SYMBOL[+OFFSET], MODULE:SYMBOL, 0xADDRESS, SYMBOL+* (all
/// instructions), SYMBOL+blocks (all basic blocks), patterns like 'vfs_*', and lists with commas.
#[derive(Parser, Debug)]
#[command(name = "rkprobe", version, after_help = STATUS)]
pub struct Cli {
    /// Write JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Read the files of the kernel below this folder
    #[arg(long, global = true, hide = true, default_value = "/")]
    pub root: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a probe by hand; it stays until it is removed
    #[command(after_help = "\
Examples:
  rkprobe add vfs_read+9
  rkprobe add -n reads vfs_read 'file=%di' 'count=%dx:u64'
  rkprobe add --count -n vfs 'vfs_*'
  rkprobe add -f saved.probes")]
    Add(Add),
    /// Remove probes by name or pattern
    #[command(after_help = "\
Examples:
  rkprobe rm reads 'vfs*'
  rkprobe rm --left       # probes of a killed rkprobe")]
    Rm(Rm),
    /// List probes with their states and hits
    #[command(after_help = "\
Examples:
  rkprobe list
  rkprobe list --sites reads
  rkprobe list --json | jq '.[].hits'")]
    List(List),
    /// Enable probes
    #[command(after_help = "Example: rkprobe enable 'vfs*'")]
    Enable(Names),
    /// Disable probes; they stay, and count no hits
    #[command(after_help = "Example: rkprobe disable reads")]
    Disable(Names),
    /// Set the most hits a second; a probe with more is disabled. 0 is no limit
    #[command(after_help = "Example: rkprobe limit 10000 'vfs*'")]
    Limit(Limit),
    /// Wait for a whole pass of the optimizer
    #[command(after_help = "Example: rkprobe add vfs_read+9 && rkprobe flush && rkprobe list")]
    Flush,
    /// Print the counters of the module
    #[command(after_help = "Example: rkprobe stats --json")]
    Stats,
    /// Say what a probe at a target would be, and why
    #[command(after_help = "\
Examples:
  rkprobe explain vfs_read+0x17
  rkprobe explain --all vfs_read")]
    Explain(Explain),
    /// Count calls of functions, or hits of any targets
    #[command(after_help = "\
Examples:
  rkprobe count 'vfs_*' -d 10
  rkprobe count 'tcp_*' -i 1 --top 20     # until ^C
  rkprobe count vfs_read+blocks -- ls -l")]
    Count(Count),
    /// Show how often each instruction of a function runs
    #[command(after_help = "\
Examples:
  rkprobe heat vfs_read
  rkprobe heat vfs_read -d 30 --svg vfs_read.svg
  rkprobe heat --every ext4:ext4_map_blocks -- sync")]
    Heat(Heat),
    /// Show which basic blocks of functions run while a command runs
    #[command(after_help = "\
Examples:
  rkprobe cover 'vfs_*' -- ls -l
  rkprobe cover --json 'ext4:*' -d 10")]
    Cover(Cover),
    /// Print the hits of a target as they come, with arguments
    #[command(after_help = "\
Examples:
  rkprobe trace vfs_read 'file=%di' 'count=%dx:u64'
  rkprobe trace vfs_read 'count=%dx:u64' --filter 'count > 4096' --stack
  rkprobe trace vfs_read+9 -p 1234 -n 100 -o FILE")]
    Trace(Trace),
    /// Show all probes on the whole terminal: rates, states, details
    #[command(after_help = "\
Example: rkprobe top
Keys: ? help, q quit, / filter, s sort, enter details, e enable or disable, d remove")]
    Top(Top),
    /// Say what is missing on this machine, and what to do
    #[command(after_help = "Example: rkprobe doctor")]
    Doctor,
    /// Print completions for a shell
    #[command(after_help = "\
Example: rkprobe completions bash > /etc/bash_completion.d/rkprobe")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write man pages into a folder
    #[command(after_help = "Example: rkprobe man /usr/local/share/man/man1")]
    Man {
        /// Where
        folder: PathBuf,
    },
}

/// Arguments of `add`.
#[derive(Args, Debug)]
pub struct Add {
    /// Only count, which is the cheapest; such a probe has no event
    #[arg(short, long)]
    pub count: bool,
    /// Name of the probe; the module chooses one otherwise
    #[arg(short, long)]
    pub name: Option<String>,
    /// The most hits a second
    #[arg(short, long, value_name = "HITS")]
    pub limit: Option<u64>,
    /// Make the probe disabled
    #[arg(long)]
    pub disabled: bool,
    /// Read lines of the file "probes" from FILE; - is the standard input
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["count", "name", "limit", "disabled", "target"])]
    pub file: Option<PathBuf>,
    /// Where
    #[arg(required_unless_present = "file")]
    pub target: Option<String>,
    /// Arguments of the event, as in kprobe_events
    #[arg(value_name = "ARG", conflicts_with_all = ["count", "file"])]
    pub arguments: Vec<String>,
}

/// Arguments of `rm`.
#[derive(Args, Debug)]
pub struct Rm {
    /// Remove the probes that killed processes of rkprobe have left
    #[arg(long, conflicts_with = "names")]
    pub left: bool,
    /// Names or patterns
    #[arg(required_unless_present = "left", value_name = "NAME")]
    pub names: Vec<String>,
}

/// Arguments of `list`.
#[derive(Args, Debug)]
pub struct List {
    /// A line for each site instead of each probe
    #[arg(short, long)]
    pub sites: bool,
    /// Names or patterns; all probes if there are none
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Names of probes.
#[derive(Args, Debug)]
pub struct Names {
    /// Names or patterns
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Arguments of `limit`.
#[derive(Args, Debug)]
pub struct Limit {
    /// Hits a second; 0 is no limit
    pub hits: u64,
    #[command(flatten)]
    pub names: Names,
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// Every instruction of the function
    #[arg(short, long)]
    pub all: bool,
    /// Where
    pub target: String,
}

/// What ends a measurement.
#[derive(Args, Debug)]
pub struct Until {
    /// Seconds to measure
    #[arg(short, long, value_name = "SEC", value_parser = seconds)]
    pub duration: Option<Duration>,
    /// Measure while this command runs
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Arguments of `count`.
#[derive(Args, Debug)]
pub struct Count {
    /// Functions, patterns or other targets
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Show the counts every SEC seconds
    #[arg(short, long, value_name = "SEC", value_parser = seconds)]
    pub interval: Option<Duration>,
    /// Show the targets with the most hits only
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Show targets without hits as well
    #[arg(short, long)]
    pub all: bool,
    #[command(flatten)]
    pub until: Until,
}

/// Arguments of `heat`.
#[derive(Args, Debug)]
pub struct Heat {
    /// Count each instruction instead of each basic block
    #[arg(short, long)]
    pub every: bool,
    /// Write the control-flow graph as a picture
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// [MODULE:]FUNCTION or 0xADDRESS
    pub function: String,
    #[command(flatten)]
    pub until: Until,
}

/// Arguments of `cover`.
#[derive(Args, Debug)]
pub struct Cover {
    /// Functions or patterns, with or without their MODULE:
    #[arg(required = true, value_name = "FUNCTION")]
    pub functions: Vec<String>,
    /// Show functions that did not run as well
    #[arg(short, long)]
    pub all: bool,
    #[command(flatten)]
    pub until: Until,
}

/// Arguments of `trace`.
#[derive(Args, Debug)]
pub struct Trace {
    /// Where
    pub target: String,
    /// Arguments of the event, as in kprobe_events
    #[arg(value_name = "ARG")]
    pub arguments: Vec<String>,
    /// Only events for which this is true, as in tracing
    #[arg(long, value_name = "EXPRESSION")]
    pub filter: Option<String>,
    /// Print the callers as well
    #[arg(long)]
    pub stack: bool,
    /// Only events of this task
    #[arg(short, long)]
    pub pid: Option<u32>,
    /// End after N events
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub number: Option<u64>,
    /// Write to FILE
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub until: Until,
}

/// Arguments of `top`.
#[derive(Args, Debug)]
pub struct Top {
    /// Seconds between two counts
    #[arg(short, long, value_name = "SEC", value_parser = seconds)]
    pub interval: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time >= Duration::from_millis(10) => Ok(time),
        _ => Err("at least 0.01 seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string);
            let example = format!("rkprobe {}", command.get_name());
            assert!(
                help.is_some_and(|help| help.contains(&example)),
                "{example}"
            );
        }
    }

    #[test]
    fn a_command_follows_two_dashes() {
        let cli =
            Cli::try_parse_from(["rkprobe", "count", "a", "b", "-d", "1.5", "--", "ls", "-l"]);
        let Command::Count(count) = cli.unwrap().command else {
            panic!("another command");
        };
        assert_eq!(count.targets, ["a", "b"]);
        assert_eq!(count.until.command, ["ls", "-l"]);
        assert_eq!(count.until.duration, Some(Duration::from_millis(1500)));
        for wrong in ["0", "-1", "x", "nan"] {
            assert!(Cli::try_parse_from(["rkprobe", "count", "a", "-d", wrong]).is_err());
        }
    }
}
