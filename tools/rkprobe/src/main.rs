// SPDX-License-Identifier: GPL-2.0

//! Reads the command line, runs the command, prints its error, and exits with its status.

#![forbid(unsafe_code)]

use clap::Parser;
use rkprobe::cli::Cli;
use rkprobe::commands;
use rkprobe::error::Kind;
use rkprobe::output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = Output::stdout(cli.json);
    let result = commands::run(&cli, &mut out).and_then(|all| out.flush().map(|()| all));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(Kind::Refused as u8),
        Err(error) => {
            if error.kind != Kind::Pipe {
                let _ = out.flush();
                eprintln!("rkprobe: {error}");
            }
            ExitCode::from(error.kind as u8)
        }
    }
}
