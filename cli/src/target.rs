//! Which shop is meant, and with which credential: from the command line, the environment and the profiles.
//!
//! A credential only goes to the servers that it was given for: a profile's token never to a `--server`.

use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;

use crate::failure::Failure;
use crate::profile::Profiles;
use crate::token::Token;

/// The profile that stands for a shop started by `shopnode dev`.
pub const DEV_PROFILE: &str = "dev";
/// The largest `dev.json` that is read.
const MAX_DEV_JSON_BYTES: u64 = 64 * 1024;
/// The most servers that one target has.
const MAX_SERVERS: usize = 16;

/// What the command line says about it.
#[derive(Debug, Default, clap::Args)]
pub struct TargetArgs {
    /// Base URL of a node, like https://shop.example:8443; repeat it to name more nodes of the same shop
    /// [env: SHOPCTL_SERVER]
    #[arg(long, global = true, value_name = "URL", help_heading = "Which shop")]
    pub server: Vec<String>,

    /// Profile to use: see `shopctl profile` [env: SHOPCTL_PROFILE]
    #[arg(long, short, global = true, value_name = "NAME", help_heading = "Which shop")]
    pub profile: Option<String>,

    /// Shop of a running `shopnode dev`: its directory, or the dev.json in it [env: SHOPNODE_DEV_JSON]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Which shop")]
    pub dev: Option<PathBuf>,

    /// Access token or API key. Other users of this machine can read it here: better keep it in a profile, a
    /// file, or the environment [env: SHOPCTL_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN", help_heading = "Which shop")]
    pub token: Option<String>,

    /// File that holds the access token or API key; `-` reads it from stdin
    #[arg(long, global = true, value_name = "FILE", help_heading = "Which shop")]
    pub token_file: Option<PathBuf>,
}

/// What the environment says about it.
#[derive(Debug, Default, Clone)]
pub struct Environment {
    pub server: Option<String>,
    pub profile: Option<String>,
    pub dev_json: Option<PathBuf>,
    pub token: Option<String>,
    /// Where profiles are kept; `None` if there is no home.
    pub config: Option<PathBuf>,
}

impl Environment {
    pub fn of_process() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config_home = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
        Self {
            server: text("SHOPCTL_SERVER"),
            profile: text("SHOPCTL_PROFILE"),
            dev_json: path("SHOPNODE_DEV_JSON"),
            token: text("SHOPCTL_TOKEN"),
            config: path("SHOPCTL_CONFIG")
                .or_else(|| config_home.map(|home| home.join("shopctl/config.toml"))),
        }
    }

    /// Where profiles are kept.
    pub fn config_path(&self) -> Result<&Path, Failure> {
        self.config.as_deref().ok_or_else(|| {
            Failure::Usage("there is no home directory for profiles: set SHOPCTL_CONFIG to a file".into())
        })
    }
}

/// The shop that requests go to.
#[derive(Debug)]
pub struct Target {
    /// Base URLs of nodes of one shop; never empty.
    pub servers: Vec<Url>,
    pub token: Option<Token>,
}

/// What `shopnode dev` writes about the shop that it runs.
#[derive(Deserialize)]
struct DevJson {
    admin_token: String,
    nodes: Vec<DevNode>,
}

#[derive(Deserialize)]
struct DevNode {
    http: String,
}

/// Finds the target: the command line before the environment before the default profile.
pub fn resolve(args: &TargetArgs, environment: &Environment) -> Result<Target, Failure> {
    // Not left to clap: it does not compare options before a noun with options behind it.
    let named = [!args.server.is_empty(), args.profile.is_some(), args.dev.is_some()];
    if named.iter().filter(|named| **named).count() > 1 {
        return Err(Failure::Usage(
            "--server, --profile and --dev name different shops: give one of them".into(),
        ));
    }
    if args.token.is_some() && args.token_file.is_some() {
        return Err(Failure::Usage("--token and --token-file are two credentials: give one of them".into()));
    }
    let given = match (&args.token, &args.token_file) {
        (Some(token), _) => Some(Token::parse(token, "--token")?),
        (None, Some(file)) => Some(Token::read(file)?),
        (None, None) => None,
    };
    let from_environment =
        || environment.token.as_deref().map(|token| Token::parse(token, "SHOPCTL_TOKEN")).transpose();
    let (mut target, chosen_by_hand) = find(args, environment)?;
    if let Some(token) = given {
        target.token = Some(token);
    } else if target.token.is_none() || !chosen_by_hand {
        // A shop that the command line names by profile or dev.json keeps its own token: SHOPCTL_TOKEN may be another's.
        if let Some(token) = from_environment()? {
            target.token = Some(token);
        }
    }
    Ok(target)
}

/// The target with its own token, and whether the command line chose it.
fn find(args: &TargetArgs, environment: &Environment) -> Result<(Target, bool), Failure> {
    if !args.server.is_empty() {
        // The token that comes with it is only a guess from dev.json: one that was set by hand goes first.
        return Ok((of_servers(&args.server, environment)?, false));
    }
    if let Some(path) = &args.dev {
        return Ok((of_dev_json(path)?, true));
    }
    if let Some(name) = &args.profile {
        return Ok((of_profile(Some(name), environment)?, true));
    }
    if let Some(server) = &environment.server {
        return Ok((of_servers(std::slice::from_ref(server), environment)?, false));
    }
    if let Some(name) = &environment.profile {
        return Ok((of_profile(Some(name), environment)?, false));
    }
    if let Some(path) = &environment.dev_json {
        return Ok((of_dev_json(path)?, false));
    }
    Ok((of_profile(None, environment)?, false))
}

/// Servers by URL. The token of `shopnode dev` is known for its own nodes, and for no others.
fn of_servers(servers: &[String], environment: &Environment) -> Result<Target, Failure> {
    let mut target = Target { servers: parse_servers(servers)?, token: None };
    let dev = environment.dev_json.as_deref().map(of_dev_json).transpose();
    // A stale or foreign SHOPNODE_DEV_JSON is no reason to refuse a server that was named.
    if let Ok(Some(dev)) = dev
        && target.servers.iter().all(|server| dev.servers.contains(server))
    {
        target.token = dev.token;
    }
    Ok(target)
}

fn of_dev_json(path: &Path) -> Result<Target, Failure> {
    let file = if path.is_dir() { path.join("dev.json") } else { path.to_owned() };
    let wrong = |what: String| {
        Failure::Usage(format!("cannot use {}: {what}; is `shopnode dev` running there?", file.display()))
    };
    let size = std::fs::metadata(&file).map_err(|error| wrong(error.to_string()))?.len();
    if size > MAX_DEV_JSON_BYTES {
        return Err(wrong("it is no dev.json: too large".into()));
    }
    let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    let dev: DevJson = serde_json::from_str(&text).map_err(|error| {
        wrong(format!("it is no dev.json (line {}, column {})", error.line(), error.column()))
    })?;
    let servers: Vec<String> = dev.nodes.into_iter().map(|node| node.http).collect();
    let token = Token::parse(&dev.admin_token, &file.display().to_string())?;
    Ok(Target { servers: parse_servers(&servers)?, token: Some(token) })
}

fn of_profile(name: Option<&str>, environment: &Environment) -> Result<Target, Failure> {
    let profiles = match environment.config_path() {
        Ok(path) => Profiles::load(path)?,
        Err(_) if name.is_none() => Profiles::default(),
        Err(failure) => return Err(failure),
    };
    let Some(name) = name.or(profiles.default.as_deref()) else {
        return Err(Failure::Usage(
            "no shop is named: give --server URL or --profile NAME, set SHOPCTL_SERVER, or make a profile with \
             `shopctl profile set NAME --server URL`"
                .into(),
        ));
    };
    match (profiles.profiles.get(name), &environment.dev_json) {
        (Some(profile), _) => {
            let token =
                profile.token.as_deref().map(|token| Token::parse(token, "the profile")).transpose()?;
            Ok(Target { servers: parse_servers(&profile.servers)?, token })
        }
        (None, Some(path)) if name == DEV_PROFILE => of_dev_json(path),
        (None, _) => {
            let names: Vec<&str> = profiles.profiles.keys().map(String::as_str).collect();
            let known = if names.is_empty() {
                "there are none".into()
            } else {
                format!("there are: {}", names.join(", "))
            };
            Err(Failure::Usage(format!("there is no profile `{name}`; {known}")))
        }
    }
}

/// Base URLs: http or https, without credentials, query or fragment.
pub fn parse_servers(texts: &[String]) -> Result<Vec<Url>, Failure> {
    if texts.is_empty() || texts.len() > MAX_SERVERS {
        return Err(Failure::Usage(format!("expected 1 to {MAX_SERVERS} servers, got {}", texts.len())));
    }
    texts.iter().map(|text| parse_server(text)).collect()
}

fn parse_server(text: &str) -> Result<Url, Failure> {
    let wrong = |what: &str| Failure::Usage(format!("`{text}` is no base URL of a server: {what}"));
    let mut url =
        Url::parse(text).map_err(|error| wrong(&format!("{error}; write it like http://127.0.0.1:8080")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("it has to begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::Usage(
            "a server's URL holds no credentials: use --token-file or a profile".into(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it ends before `?` and `#`"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::profile::Profile;

    /// A home with a profile `prod` and a running `shopnode dev`.
    fn home() -> (tempfile::TempDir, Environment) {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("config.toml");
        let mut profiles = Profiles::default();
        let prod = Profile { servers: vec!["https://prod.example".into()], token: Some("sk_prod".into()) };
        profiles.profiles.insert("prod".into(), prod);
        profiles.save(&config).unwrap();
        let dev = r#"{"admin_token":"sk_dev","nodes":[{"id":1,"http":"http://127.0.0.1:8080","pid":1}]}"#;
        fs::write(home.path().join("dev.json"), dev).unwrap();
        let environment = Environment { config: Some(config), ..Environment::default() };
        (home, environment)
    }

    fn check(args: TargetArgs, environment: &Environment, expect: &str) {
        let said = match resolve(&args, environment) {
            Ok(target) => {
                let servers: Vec<&str> = target.servers.iter().map(Url::as_str).collect();
                format!("{} {}", servers.join(","), target.token.as_ref().map_or("-", Token::reveal))
            }
            Err(failure) => failure.to_string(),
        };
        assert!(said.starts_with(expect), "{args:?}\n{said}\n{expect}");
    }

    fn server(url: &str) -> TargetArgs {
        TargetArgs { server: vec![url.into()], ..TargetArgs::default() }
    }

    fn profile(name: &str) -> TargetArgs {
        TargetArgs { profile: Some(name.into()), ..TargetArgs::default() }
    }

    #[test]
    fn the_command_line_goes_before_the_environment() {
        let (_home, mut environment) = home();
        check(TargetArgs::default(), &environment, "no shop is named");
        check(profile("prod"), &environment, "https://prod.example/ sk_prod");
        check(profile("pord"), &environment, "there is no profile `pord`; there are: prod");
        environment.server = Some("http://env.example/base".into());
        environment.token = Some("sk_env".into());
        check(TargetArgs::default(), &environment, "http://env.example/base/ sk_env");
        check(server("http://arg.example"), &environment, "http://arg.example/ sk_env");
        let args = TargetArgs { token: Some("sk_arg".into()), ..profile("prod") };
        check(args, &environment, "https://prod.example/ sk_arg");
    }

    #[test]
    fn a_token_goes_only_where_it_was_meant_for() {
        let (home, mut environment) = home();
        environment.token = Some("sk_env".into());
        check(profile("prod"), &environment, "https://prod.example/ sk_prod");
        environment.token = None;
        environment.profile = Some("prod".into());
        check(server("http://other.example"), &environment, "http://other.example/ -");
        environment.dev_json = Some(home.path().join("dev.json"));
        check(server("http://other.example"), &environment, "http://other.example/ -");
        check(server("http://127.0.0.1:8080"), &environment, "http://127.0.0.1:8080/ sk_dev");
        environment.token = Some("sk_env".into());
        check(server("http://127.0.0.1:8080"), &environment, "http://127.0.0.1:8080/ sk_env");
    }

    #[test]
    fn a_dev_shop_is_found_by_directory_file_or_environment() {
        let (home, mut environment) = home();
        let dev = |path: &Path| TargetArgs { dev: Some(path.to_owned()), ..TargetArgs::default() };
        check(dev(home.path()), &environment, "http://127.0.0.1:8080/ sk_dev");
        check(dev(&home.path().join("dev.json")), &environment, "http://127.0.0.1:8080/ sk_dev");
        check(dev(&home.path().join("gone")), &environment, "cannot use ");
        environment.dev_json = Some(home.path().join("dev.json"));
        check(TargetArgs::default(), &environment, "http://127.0.0.1:8080/ sk_dev");
        check(profile(DEV_PROFILE), &environment, "http://127.0.0.1:8080/ sk_dev");
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for wrong in [
            "shop.example",
            "ftp://shop.example",
            "http://a:b@shop.example",
            "http://shop.example/?a=b",
            "http://",
        ] {
            assert!(parse_server(wrong).is_err(), "{wrong}");
        }
    }
}
