//! The man pages and completions of a program, made from its command line. Both programs include this file; their
//! hidden command `documents DIR` calls it, and `packaging/build` calls that.

use std::fs::{File, create_dir_all};
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

/// Writes `DIR/man/NAME[-VERB…].SECTION` and `DIR/completions/{NAME.bash,_NAME,NAME.fish}`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(command: &Command, section: &str, directory: &Path) -> io::Result<()> {
    let mut built = command.clone();
    built.build();
    let pages = directory.join("man");
    create_dir_all(&pages)?;
    write_pages(&built, section, &pages)?;

    let completions = directory.join("completions");
    create_dir_all(&completions)?;
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut shown(command), &name, &completions)?;
    }
    Ok(())
}

/// What is completed: the generators do not leave out what is hidden, and clap cannot take a
/// command away.
fn shown(command: &Command) -> Command {
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    Command::new("").args(command.get_arguments().cloned()).subcommands(verbs).disable_help_subcommand(true)
}

fn write_pages(command: &Command, section: &str, directory: &Path) -> io::Result<()> {
    // Built commands are called as their pages are: shopctl-order-list.
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    // Without a date: the page of a version is the same whenever it is made.
    let man = clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).section(section).date("");
    man.render(&mut File::create(directory.join(format!("{name}.{section}")))?)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_pages(verb, section, directory)?;
    }
    Ok(())
}
