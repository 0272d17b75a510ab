# What OpenWrt's rules.mk gives a package, as far as culvert's needs it

INCLUDE_DIR	:= $(TOPDIR)/include
BUILD_DIR	?= $(OUT)/build_dir
DL_DIR		?= $(OUT)/dl
TARGET_CROSS	?=
TARGET_CC	?= gcc
TARGET_CFLAGS	?= -Os -pipe -fno-caller-saves
TARGET_CPPFLAGS	?=
TARGET_LDFLAGS	?= -Wl,-z,now -Wl,-z,relro
TAR		:= tar
INSTALL_DIR	:= install -d -m0755
INSTALL_BIN	:= install -m0755
INSTALL_DATA	:= install -m0644
INSTALL_CONF	:= install -m0600
TARGET_CONFIGURE_OPTS = AR="$(TARGET_CROSS)gcc-ar" LD="$(TARGET_CROSS)ld" \
	NM="$(TARGET_CROSS)gcc-nm" CC="$(TARGET_CC)" GCC="$(TARGET_CC)" \
	STRIP="$(TARGET_CROSS)strip" OBJCOPY="$(TARGET_CROSS)objcopy"
