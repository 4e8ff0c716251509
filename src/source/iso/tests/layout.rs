//! Media that are laid out as the public ones are: what their menus say, in as few words as show it.
use super::*;

/// A medium of these files, made as distributions make theirs.
fn medium(label: &str, files: &[(&str, &str)]) -> Medium {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    let made = make(tree(&files), "xorriso", &["-R", "-J", "-joliet-long", "-V", label]);
    Medium::read(&made.open()).unwrap()
}

fn line(entry: &BootEntry) -> String {
    entry.command_line(&[])
}

const UBUNTU: &str = r#"
set timeout=30
loadfont unicode
set menu_color_normal=white/black
menuentry "Try or Install Ubuntu Server" {
	set gfxpayload=keep
	linux	/casper/vmlinuz $vt_handoff ---
	initrd	/casper/initrd
}
menuentry "Ubuntu Server with the HWE kernel" {
	set gfxpayload=keep
	linux	/casper/hwe-vmlinuz  ---
	initrd	/casper/hwe-initrd
}
grub_platform
if [ "$grub_platform" = "efi" ]; then
menuentry 'Boot from next volume' {
	exit 1
}
menuentry 'UEFI Firmware Settings' {
	fwsetup
}
else
menuentry 'Test memory' {
	linux16 /boot/memtest86+x64.bin
}
fi
"#;

#[test]
fn ubuntu_live_server() {
    for (info, version) in [
        ("Ubuntu-Server 22.04.4 LTS \"Jammy Jellyfish\" - Release amd64 (20240216.1)", "22.04.4"),
        ("Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)\n", "24.04.1"),
    ] {
        let medium = medium(
            "Ubuntu-Server LTS amd64",
            &[
                (".disk/info", info),
                ("boot/grub/grub.cfg", UBUNTU),
                (
                    "boot/grub/loopback.cfg",
                    "menuentry x {\n linux /casper/vmlinuz iso-scan/filename=${iso_path} ---\n}\n",
                ),
                ("boot/memtest86+x64.bin", "m"),
                ("casper/vmlinuz", "k"),
                ("casper/initrd", "i"),
                ("casper/hwe-vmlinuz", "k"),
                ("casper/hwe-initrd", "i"),
            ],
        );
        assert_eq!(medium.family, Some(Family::Ubuntu));
        assert_eq!(medium.version.as_deref(), Some(version));
        let titles: Vec<&str> = medium.entries.iter().map(|entry| entry.title.as_str()).collect();
        assert_eq!(
            titles,
            ["Try or Install Ubuntu Server", "Ubuntu Server with the HWE kernel", "Test memory"]
        );
        let entry = direct(&medium).unwrap();
        assert_eq!(entry.title, "Try or Install Ubuntu Server");
        assert_eq!(
            (entry.kernel.as_str(), entry.initrd.as_slice()),
            ("/casper/vmlinuz", &["/casper/initrd".to_owned()][..])
        );
        assert_eq!(entry.from, "/boot/grub/grub.cfg");
        assert_eq!(line(&entry), "---");
        let more = ["autoinstall".to_owned(), "ds=nocloud".to_owned()];
        assert_eq!(entry.command_line(&more), "autoinstall ds=nocloud ---");
    }
}

#[test]
fn ubuntu_without_a_menu_is_known_by_its_kernel() {
    let medium =
        medium("x", &[(".disk/info", "Ubuntu 20.04"), ("casper/vmlinuz", "k"), ("casper/initrd", "i")]);
    let entry = direct(&medium).unwrap();
    assert_eq!((entry.kernel.as_str(), line(&entry).as_str()), ("/casper/vmlinuz", "---"));
}

const ANACONDA: &str = r"
set default='1'
function load_video {
  insmod efi_gop
}
load_video
search --no-floppy --set=root -l 'LABEL'
### BEGIN /etc/grub.d/10_linux ###
menuentry 'Install NAME' --class fedora --class gnu-linux --class gnu --class os {
	linuxefi /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=LABEL quiet
	initrdefi /images/pxeboot/initrd.img
}
menuentry 'Test this media & install NAME' --class fedora --class os {
	linuxefi /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=LABEL rd.live.check quiet
	initrdefi /images/pxeboot/initrd.img
}
submenu 'Troubleshooting -->' {
	menuentry 'Install NAME in basic graphics mode' --class os {
		linuxefi /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=LABEL nomodeset quiet
		initrdefi /images/pxeboot/initrd.img
	}
	menuentry 'Rescue a NAME system' --class os {
		linuxefi /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=LABEL inst.rescue quiet
		initrdefi /images/pxeboot/initrd.img
	}
}
";

const ISOLINUX: &str = r"
default vesamenu.c32
timeout 600
menu title NAME
label linux
  menu label ^Install NAME
  kernel vmlinuz
  append initrd=initrd.img inst.stage2=hd:LABEL=LABEL quiet
label check
  menu label Test this ^media & install NAME
  menu default
  kernel vmlinuz
  append initrd=initrd.img inst.stage2=hd:LABEL=LABEL rd.live.check quiet
menu separator
menu begin ^Troubleshooting
label rescue
  menu label ^Rescue a NAME system
  text help
	label linux
	kernel of-a-text
  endtext
  kernel vmlinuz
  append initrd=initrd.img inst.stage2=hd:LABEL=LABEL inst.rescue quiet
label memtest
  kernel memtest
label local
  localboot 0xffff
menu end
";

fn filled(menu: &str, name: &str, label: &str) -> String {
    menu.replace("LABEL=LABEL", &format!("LABEL={label}"))
        .replace("'LABEL'", &format!("'{label}'"))
        .replace("NAME", name)
}

fn tree_info(name: &str, version: &str) -> String {
    format!(
        "[checksums]\nimages/install.img = sha256:00\n\n[general]\n; WARNING.0 = for old readers\narch = x86_64\n\
         family = {name}\nname = {name} {version}\nvariant = BaseOS\nversion = {version}\n\n[images-x86_64]\n\
         efiboot.img = images/efiboot.img\ninitrd = images/pxeboot/initrd.img\nkernel = images/pxeboot/vmlinuz\n\n\
         [release]\nname = {name}\nshort = X\nversion = {version}\n\n[tree]\narch = x86_64\n"
    )
}

#[test]
fn the_red_hat_family() {
    for (name, version, label, shown) in [
        ("Red Hat Enterprise Linux", "9.5", "RHEL-9-5-0-BaseOS-x86_64", "RHEL-9-5-0-BaseOS-x86_64"),
        ("Rocky Linux", "9.5", "Rocky-9-5-x86_64-dvd", "Rocky-9-5-x86_64-dvd"),
        ("AlmaLinux", "9.4", "AlmaLinux-9-4-x86_64-dvd", "AlmaLinux-9-4-x86_64-dvd"),
        ("CentOS Stream", "9", "CentOS-Stream-9-BaseOS-x86_64", "CentOS-Stream-9-BaseOS-x86_64"),
        ("CentOS", "7", "CentOS 7 x86_64", "CentOS\\x207\\x20x86_64"),
    ] {
        let full = format!("{name} {version}");
        let grub = filled(ANACONDA, &full, shown);
        let isolinux = filled(ISOLINUX, &full, shown);
        let info = tree_info(name, version);
        let mut files = vec![
            (".treeinfo", info.as_str()),
            ("EFI/BOOT/grub.cfg", grub.as_str()),
            ("isolinux/isolinux.cfg", isolinux.as_str()),
            ("isolinux/vmlinuz", "k"),
            ("isolinux/initrd.img", "i"),
            ("images/pxeboot/vmlinuz", "k"),
            ("images/pxeboot/initrd.img", "i"),
        ];
        let medium_1 = medium(label, &files);
        assert_eq!(medium_1.family, Some(Family::RedHat { name: name.to_owned() }));
        assert_eq!(medium_1.version.as_deref(), Some(version));
        // `memtest` is named and is not on the medium.
        assert_eq!(medium_1.missing, ["`/isolinux/memtest` of `memtest` (/isolinux/isolinux.cfg)"]);
        let expected = format!("inst.stage2=hd:LABEL={shown} quiet");
        let entry = direct(&medium_1).unwrap();
        assert_eq!(
            (entry.title, entry.kernel.as_str()),
            (format!("Install {full}"), "/images/pxeboot/vmlinuz")
        );
        assert_eq!(entry.arguments.join(" "), expected);
        // Only the menu for BIOS.
        files.remove(1);
        let entry = direct(&medium(label, &files)).unwrap();
        assert_eq!(
            (entry.kernel.as_str(), entry.initrd),
            ("/isolinux/vmlinuz", vec!["/isolinux/initrd.img".to_owned()])
        );
        assert_eq!(entry.arguments.join(" "), expected);
        // Only the description.
        files.remove(1);
        let entry = direct(&medium(label, &files)).unwrap();
        assert_eq!((entry.kernel.as_str(), entry.from.as_str()), ("/images/pxeboot/vmlinuz", "/.treeinfo"));
        assert_eq!(line(&entry), format!("inst.stage2=hd:LABEL={shown}"));
    }
}

#[test]
fn the_check_of_the_medium_is_dropped_where_every_entry_has_it() {
    let menu = "menuentry 'Test this media & install X' {\n linux /v a rd.live.check b\n initrd /i\n}\n";
    let medium = medium("X", &[("boot/grub2/grub.cfg", menu), ("v", "k"), ("i", "i")]);
    assert_eq!(line(&direct(&medium).unwrap()), "a b");
}

const DEBIAN: &str = r"
if [ x$feature_default_font_path = xy ] ; then
   font=unicode
else
   font=$prefix/font.pf2
fi
if loadfont $font ; then
  set gfxmode=800x600
fi
if [ ${iso_path} ] ; then
set isoboot=findiso=${iso_path}
fi
menuentry --hotkey=g 'Graphical install' {
    set background_color=black
    linux    /install.amd/vmlinuz vga=788 --- quiet
    initrd   /install.amd/gtk/initrd.gz
}
menuentry --hotkey=i 'Install' {
    set background_color=black
    linux    /install.amd/vmlinuz vga=788 --- quiet
    initrd   /install.amd/initrd.gz
}
submenu --hotkey=a 'Advanced options ...' {
    menuentry --hotkey=x '... Expert install' {
        linux    /install.amd/vmlinuz priority=low vga=788 ---
        initrd   /install.amd/initrd.gz
    }
    menuentry --hotkey=r '... Rescue mode' {
        linux    /install.amd/vmlinuz rescue/enable=true vga=788 --- quiet
        initrd   /install.amd/initrd.gz
    }
    menuentry --hotkey=a '... Automated install' {
        linux    /install.amd/vmlinuz auto=true priority=critical vga=788 --- quiet
        initrd   /install.amd/initrd.gz
    }
}
submenu --hotkey=d 'Dark theme option...' {
    menuentry --hotkey=i '... Install' {
        linux    /install.amd/vmlinuz vga=788 theme=dark --- quiet
        initrd   /install.amd/initrd.gz
    }
}
menuentry --hotkey=s 'Install with speech synthesis' {
    linux    /install.amd/vmlinuz vga=788 speakup.synth=soft --- quiet
    initrd   /install.amd/gtk/initrd.gz
}
";

const DEBIAN_ISOLINUX: [(&str, &str); 4] = [
    (
        "isolinux/isolinux.cfg",
        "# D-I config version 2.0\npath\ninclude menu.cfg\ndefault vesamenu.c32\nprompt 0\ntimeout 0\n",
    ),
    (
        "isolinux/menu.cfg",
        "menu hshift 4\nmenu width 70\ninclude stdmenu.cfg\ninclude gtk.cfg\ninclude txt.cfg\n",
    ),
    (
        "isolinux/gtk.cfg",
        "label installgui\n\tmenu label ^Graphical install\n\tmenu default\n\tkernel /install.amd/vmlinuz\n\tappend vga=788 \
         initrd=/install.amd/gtk/initrd.gz --- quiet \n",
    ),
    (
        "isolinux/txt.cfg",
        "label install\n\tmenu label ^Install\n\tkernel /install.amd/vmlinuz\n\tappend vga=788 initrd=/install.amd/initrd.gz --- quiet \n",
    ),
];

#[test]
fn debian_netinst_and_dvd() {
    for (kind, from) in [
        ("NETINST with firmware", "/boot/grub/grub.cfg"),
        ("DVD Binary-1 with firmware", "/isolinux/txt.cfg"),
    ] {
        let info = format!("Debian GNU/Linux 12.7.0 \"Bookworm\" - Official amd64 {kind} 20240831-10:38");
        let mut files = vec![
            (".disk/info", info.as_str()),
            ("install.amd/vmlinuz", "k"),
            ("install.amd/initrd.gz", "i"),
            ("install.amd/gtk/initrd.gz", "i"),
        ];
        files.extend(DEBIAN_ISOLINUX);
        if kind.starts_with("NETINST") {
            files.push(("boot/grub/grub.cfg", DEBIAN));
        }
        let medium = medium("Debian 12.7.0 amd64 n", &files);
        assert_eq!((&medium.family, medium.version.as_deref()), (&Some(Family::Debian), Some("12.7.0")));
        let entry = direct(&medium).unwrap();
        assert_eq!((entry.title.as_str(), entry.from.as_str()), ("Install", from));
        assert_eq!(entry.initrd, ["/install.amd/initrd.gz"]);
        assert_eq!(entry.command_line(&["auto=true".to_owned()]), "vga=788 auto=true --- quiet");
    }
}

#[test]
fn fai() {
    let menu = r#"
set default="Boot OS from first partition on first disk"
menuentry "        +-----------+" {
set timeout=20
}
menuentry "Installation from a menu" --unrestricted {
    search --set=root --file /FAI-CD
    linux   /boot/vmlinuz FAI_FLAGS="menu,verbose,sshd,createvt" FAI_ACTION=install rd.live.image root=live:CDLABEL=FAI_CD
    initrd  /boot/initrd.img
}
menuentry "Installation of a server" --unrestricted {
    search --set=root --file /FAI-CD
    linux   /boot/vmlinuz FAI_FLAGS="verbose,sshd,createvt,reboot" FAI_ACTION=install rd.live.image root=live:CDLABEL=FAI_CD
    initrd  /boot/initrd.img
}
menuentry "Rescue system" {
    linux   /boot/vmlinuz FAI_ACTION=sysinfo rd.live.image root=live:CDLABEL=FAI_CD
    initrd  /boot/initrd.img
}
menuentry "Boot OS from first partition on first disk" {
    set root=(hd0,1)
    chainloader +1
}
"#;
    let medium = medium(
        "FAI_CD",
        &[("FAI-CD", ""), ("boot/grub/grub.cfg", menu), ("boot/vmlinuz", "k"), ("boot/initrd.img", "i")],
    );
    assert_eq!(medium.family, Some(Family::Fai));
    assert_eq!(medium.entries.len(), 3);
    let entry = direct(&medium).unwrap();
    assert_eq!(entry.title, "Installation of a server");
    assert_eq!(
        line(&entry),
        "FAI_FLAGS=verbose,sshd,createvt,reboot FAI_ACTION=install rd.live.image root=live:CDLABEL=FAI_CD"
    );
}

#[test]
fn photon_asks_for_the_medium_it_came_from() {
    let menu = "set default=0\ngfxpayload=keep\nprobe -s photondisk -u ($root)\n\nmenuentry \"Install\" {\n    linux /isolinux/vmlinuz \
                root=/dev/ram0 loglevel=3 photon.media=UUID=$photondisk\n    initrd /isolinux/initrd.img}\n";
    let files: [(&str, &[u8]); 3] =
        [("boot/grub2/grub.cfg", menu.as_bytes()), ("isolinux/vmlinuz", b"k"), ("isolinux/initrd.img", b"i")];
    let made = make(
        tree(&files),
        "xorriso",
        &["-R", "-V", "PHOTON_20240801", "--modification-date=2024080112345600"],
    );
    let medium = Medium::read(&made.open()).unwrap();
    assert_eq!(medium.family, Some(Family::Photon));
    let entry = direct(&medium).unwrap();
    assert_eq!(line(&entry), "root=/dev/ram0 loglevel=3 photon.media=UUID=2024-08-01-12-34-56-00");
}

#[test]
fn photon_and_flatcar_with_isolinux() {
    let photon = medium(
        "PHOTON_20190401",
        &[
            ("isolinux/isolinux.cfg", "include menu.cfg\ndefault vesamenu.c32\n"),
            (
                "isolinux/menu.cfg",
                "menu title Photon\nlabel install\n    menu label ^Install\n    menu default\n    kernel vmlinuz\n    \
                                   append initrd=initrd.img root=/dev/ram0 loglevel=3 photon.media=cdrom\n",
            ),
            ("isolinux/vmlinuz", "k"),
            ("isolinux/initrd.img", "i"),
        ],
    );
    assert_eq!(line(&direct(&photon).unwrap()), "root=/dev/ram0 loglevel=3 photon.media=cdrom");
    let flatcar = medium(
        "CDROM",
        &[
            ("isolinux/isolinux.cfg", "INCLUDE /syslinux/syslinux.cfg\n"),
            (
                "syslinux/syslinux.cfg",
                "default flatcar\nprompt 1\n\nlabel flatcar\n  menu default\n  kernel /flatcar/vmlinuz\n  append \
                                       initrd=/flatcar/cpio.gz flatcar.autologin\n",
            ),
            ("flatcar/vmlinuz", "k"),
            ("flatcar/cpio.gz", "i"),
        ],
    );
    assert_eq!(flatcar.family, Some(Family::Flatcar));
    assert_eq!(flatcar.entries.len(), 1, "the same by both ways");
    let entry = direct(&flatcar).unwrap();
    assert_eq!((entry.kernel.as_str(), line(&entry).as_str()), ("/flatcar/vmlinuz", "flatcar.autologin"));
}

#[test]
fn variables_and_further_files_are_followed() {
    let medium = medium(
        "Two words",
        &[
            (
                "EFI/BOOT/grub.cfg",
                "search --file --set=root /.disk/info\nset prefix=($root)/boot/more\nsource $prefix/menu.cfg\n",
            ),
            (
                "boot/more/menu.cfg",
                "set base=/live\nset common=\"console=ttyS0 'x\"\nprobe --set l --label ($root)\nconfigfile /boot/more/menu.cfg\n\
                 menuentry \"Install $base\" --id one {\n  linux ($root)$base/vmlinuz $common \"a=$l\" b=${nothing}c ${nothing}\n  \
                 initrd (cd0)${base}/one /live/two\n}\n",
            ),
            ("live/vmlinuz", "k"),
            ("live/one", "1"),
            ("live/two", "2"),
        ],
    );
    assert_eq!(medium.family, None);
    let entry = direct(&medium).unwrap();
    assert_eq!((entry.title.as_str(), entry.from.as_str()), ("Install /live", "/boot/more/menu.cfg"));
    assert_eq!(entry.initrd, ["/live/one", "/live/two"]);
    assert_eq!(entry.arguments, ["console=ttyS0", "'x", "a=Two words", "b=c"]);
    assert_eq!(line(&entry), "console=ttyS0 'x \"a=Two words\" b=c");
}

#[test]
fn what_is_unknown_says_what_is_there_and_what_to_do() {
    let error = direct(&medium("SOMETHING", &[("README", "x"), ("data/x", "x")])).unwrap_err();
    insta::assert_snapshot!("nothing", format!("{error}\n{}", error.hint()));
    let menu = "menuentry 'Start' {\n linux /k\n}\nmenuentry 'Install X (safe graphics)' {\n linux /k nomodeset\n}\nmenuentry 'Gone' {\n \
                linux /gone\n initrd /i\n}\n";
    let error = direct(&medium("SOMETHING", &[("boot/grub/grub.cfg", menu), ("k", "k")])).unwrap_err();
    insta::assert_snapshot!("no_choice", error.to_string());
}
