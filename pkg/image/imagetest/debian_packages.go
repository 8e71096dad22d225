package imagetest

// debian10Packages are the packages of debian:buster-slim as of Debian 10.9 (April 2021), one per line: binary package, version, and
// where they differ the source package and its version.
const debian10Packages = `
adduser 3.118
apt 1.8.2.2
base-files 10.3+deb10u9
base-passwd 3.5.46
bash 5.0-4
bsdutils 1:2.33.1-0.1 util-linux 2.33.1-0.1
coreutils 8.30-3
dash 0.5.10.2-5
debconf 1.5.71+deb10u1
debian-archive-keyring 2019.1+deb10u1
debianutils 4.8.6.1
diffutils 1:3.7-3
dpkg 1.19.7
e2fsprogs 1.44.5-1+deb10u3
fdisk 2.33.1-0.1 util-linux
findutils 4.6.0+git+20190209-2
gcc-8-base 8.3.0-6 gcc-8
gpgv 2.2.12-1+deb10u1 gnupg2
grep 3.3-1
gzip 1.9-3
hostname 3.21
init-system-helpers 1.56+nmu1
libacl1 2.2.53-4 acl
libapt-pkg5.0 1.8.2.2 apt
libattr1 1:2.4.48-4 attr
libaudit-common 1:2.8.4-3 audit
libaudit1 1:2.8.4-3 audit
libblkid1 2.33.1-0.1 util-linux
libbz2-1.0 1.0.6-9.2~deb10u1 bzip2
libc-bin 2.28-10 glibc
libc6 2.28-10 glibc
libcap-ng0 0.7.9-2 libcap-ng
libcom-err2 1.44.5-1+deb10u3 e2fsprogs
libdb5.3 5.3.28+dfsg1-0.5 db5.3
libdebconfclient0 0.249 cdebconf
libext2fs2 1.44.5-1+deb10u3 e2fsprogs
libfdisk1 2.33.1-0.1 util-linux
libffi6 3.2.1-9 libffi
libgcc1 1:8.3.0-6 gcc-8 8.3.0-6
libgcrypt20 1.8.4-5
libgmp10 2:6.1.2+dfsg-4 gmp
libgnutls30 3.6.7-4+deb10u6 gnutls28
libgpg-error0 1.35-1 libgpg-error
libhogweed4 3.4.1-1 nettle
libidn2-0 2.0.5-1+deb10u1 libidn2
liblz4-1 1.8.3-1 lz4
liblzma5 5.2.4-1 xz-utils
libmount1 2.33.1-0.1 util-linux
libncursesw6 6.1+20181013-2+deb10u2 ncurses
libnettle6 3.4.1-1 nettle
libp11-kit0 0.23.15-2+deb10u1 p11-kit
libpam-modules 1.3.1-5 pam
libpam-modules-bin 1.3.1-5 pam
libpam-runtime 1.3.1-5 pam
libpam0g 1.3.1-5 pam
libpcre3 2:8.39-12 pcre3
libseccomp2 2.3.3-4 libseccomp
libselinux1 2.8-1+b1 libselinux 2.8-1
libsemanage-common 2.8-2 libsemanage
libsemanage1 2.8-2 libsemanage
libsepol1 2.8-1 libsepol
libsmartcols1 2.33.1-0.1 util-linux
libss2 1.44.5-1+deb10u3 e2fsprogs
libstdc++6 8.3.0-6 gcc-8
libsystemd0 241-7~deb10u7 systemd
libtasn1-6 4.13-3
libtinfo6 6.1+20181013-2+deb10u2 ncurses
libudev1 241-7~deb10u7 systemd
libunistring2 0.9.10-1 libunistring
libuuid1 2.33.1-0.1 util-linux
libzstd1 1.3.8+dfsg-3+deb10u2 libzstd
login 1:4.5-1.1 shadow
mawk 1.3.3-17+b3 mawk 1.3.3-17
mount 2.33.1-0.1 util-linux
ncurses-base 6.1+20181013-2+deb10u2 ncurses
ncurses-bin 6.1+20181013-2+deb10u2 ncurses
passwd 1:4.5-1.1 shadow
perl-base 5.28.1-6+deb10u1 perl
sed 4.7-1
sysvinit-utils 2.93-8 sysvinit
tar 1.30+dfsg-6
tzdata 2021a-0+deb10u1
util-linux 2.33.1-0.1
zlib1g 1:1.2.11.dfsg-1 zlib
`

// nginx119Packages are the packages that nginx:1.19 (nginx 1.19.10) adds to them.
const nginx119Packages = `
ca-certificates 20200601~deb10u2
curl 7.64.0-4+deb10u2
fontconfig-config 2.13.1-2 fontconfig
fonts-dejavu-core 2.37-1 fonts-dejavu
gettext-base 0.19.8.1-9 gettext
libbsd0 0.9.1-2+deb10u1 libbsd
libcurl4 7.64.0-4+deb10u2 curl
libedit2 3.1-20181209-1 libedit
libexpat1 2.2.6-2+deb10u1 expat
libfontconfig1 2.13.1-2 fontconfig
libfreetype6 2.9.1-3+deb10u2 freetype
libgd3 2.2.5-5.2 libgd2
libgeoip1 1.6.12-1 geoip
libgssapi-krb5-2 1.17-3+deb10u1 krb5
libicu63 63.1-6+deb10u1 icu
libjbig0 2.1-3.1+b2 jbigkit 2.1-3.1
libjpeg62-turbo 1:1.5.2-2+deb10u1 libjpeg-turbo
libk5crypto3 1.17-3+deb10u1 krb5
libkeyutils1 1.6-6 keyutils
libkrb5-3 1.17-3+deb10u1 krb5
libkrb5support0 1.17-3+deb10u1 krb5
libldap-2.4-2 2.4.47+dfsg-3+deb10u6 openldap
libldap-common 2.4.47+dfsg-3+deb10u6 openldap
libnghttp2-14 1.36.0-2+deb10u1 nghttp2
libpng16-16 1.6.36-6 libpng1.6
libpsl5 0.20.2-2 libpsl
librtmp1 2.4+20151223.gitfa8646d.1-2 rtmpdump
libsasl2-2 2.1.27+dfsg-1+deb10u1 cyrus-sasl2
libsasl2-modules-db 2.1.27+dfsg-1+deb10u1 cyrus-sasl2
libssh2-1 1.8.0-2.1 libssh2
libssl1.1 1.1.1d-0+deb10u6 openssl
libtiff5 4.1.0+git191117-2~deb10u2 tiff
libwebp6 0.6.1-2 libwebp
libx11-6 2:1.6.7-1+deb10u1 libx11
libx11-data 2:1.6.7-1+deb10u1 libx11
libxau6 1:1.0.8-1+b2 libxau 1:1.0.8-1
libxcb1 1.13.1-2 libxcb
libxdmcp6 1:1.1.2-3 libxdmcp
libxml2 2.9.4+dfsg1-7+deb10u1
libxpm4 1:3.5.12-1 libxpm
libxslt1.1 1.1.32-2.2~deb10u1 libxslt
lsb-base 10.2019051400 lsb
nginx 1.19.10-1~buster
nginx-module-geoip 1.19.10-1~buster
nginx-module-image-filter 1.19.10-1~buster
nginx-module-njs 1.19.10+0.5.3-1~buster
nginx-module-xslt 1.19.10-1~buster
openssl 1.1.1d-0+deb10u6
sensible-utils 0.0.12
ucf 3.0038+nmu1
`

// nginx119Fixes are the versions of source packages in which Debian 10 had fixed all that it knew of in April 2023
// (https://security-tracker.debian.org).
const nginx119Fixes = `
curl 7.64.0-4+deb10u5
cyrus-sasl2 2.1.27+dfsg-1+deb10u2
dpkg 1.19.8
expat 2.2.6-2+deb10u6
glibc 2.28-10+deb10u2
gnupg2 2.2.12-1+deb10u2
gnutls28 3.6.7-4+deb10u10
gzip 1.9-3+deb10u1
icu 63.1-6+deb10u2
krb5 1.17-3+deb10u5
libtasn1-6 4.13-3+deb10u1
libwebp 0.6.1-2+deb10u1
libx11 2:1.6.7-1+deb10u2
libxml2 2.9.4+dfsg1-7+deb10u5
libxslt 1.1.32-2.2~deb10u2
lz4 1.8.3-1+deb10u1
ncurses 6.1+20181013-2+deb10u3
nettle 3.4.1-1+deb10u1
openldap 2.4.47+dfsg-3+deb10u7
openssl 1.1.1n-0+deb10u4
systemd 241-7~deb10u9
tiff 4.1.0+git191117-2~deb10u7
xz-utils 5.2.4-1+deb10u1
zlib 1:1.2.11.dfsg-1+deb10u2
`
