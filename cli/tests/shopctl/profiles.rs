//! Profiles as a user meets them: what is kept, who may read it, and that the token stays inside.

use std::os::unix::fs::PermissionsExt;

use crate::support::{FakeShop, User, json};

const CLUSTER: &str = r#"{"name":"s","leader":1,"term":1,"commit_index":1,"active_version":1,"nodes":[]}"#;

#[test]
fn a_profile_is_made_from_stdin_used_listed_and_removed() {
    let shop = FakeShop::start(vec![json(200, CLUSTER)]);
    let user = User::new();
    let made = user.run_with_input(&["profile", "set", "prod", "--server", &shop.url()], "sk_secret\n");
    assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{made:?}");
    assert!(!made.stderr.contains("sk_secret"), "{made:?}");

    let listed = user.run(&["profile", "list"]);
    assert!(
        listed.code == 0 && listed.stdout.contains("prod") && listed.stdout.contains(&shop.url()),
        "{listed:?}"
    );
    assert!(!listed.stdout.contains("sk_secret"), "{listed:?}");

    // The first profile is the default.
    assert_eq!(user.run(&["status"]).code, 0);
    assert_eq!(user.run(&["-p", "prod", "status"]).code, 0);
    let received = shop.received();
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|request| request.header("authorization") == Some("Bearer sk_secret")));

    assert_eq!(user.run(&["profile", "remove", "prod"]).code, 0);
    assert_eq!(user.run(&["status"]).code, 2);
}

#[test]
fn a_file_of_profiles_that_others_can_read_is_refused() {
    let user = User::new();
    user.run_with_input(&["profile", "set", "prod", "--server", "http://127.0.0.1:1"], "sk_secret");
    let file = user.home.path().join(".config/shopctl/config.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = user.run(&["status"]);
    assert!(ran.code == 2 && ran.stderr.contains("chmod 600"), "{ran:?}");
}

#[test]
fn a_token_on_the_command_line_makes_no_profile() {
    let user = User::new();
    let ran = user.run(&["profile", "set", "prod", "--server", "http://127.0.0.1:1", "--token", "sk_secret"]);
    assert!(ran.code == 2 && !ran.stderr.contains("sk_secret"), "{ran:?}");
    assert!(!user.home.path().join(".config").exists());
}

#[test]
fn a_dev_shop_is_found_by_its_variable() {
    let shop = FakeShop::start(vec![json(200, CLUSTER)]);
    let user = User::new();
    let dev = format!(r#"{{"admin_token":"sk_dev","nodes":[{{"id":1,"http":"{}"}}]}}"#, shop.url());
    let file = user.home.path().join("dev.json");
    std::fs::write(&file, dev).unwrap();
    let user = user.with("SHOPNODE_DEV_JSON", file.to_str().unwrap());
    let ran = user.run(&["status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(shop.received()[0].header("authorization"), Some("Bearer sk_dev"));
}
