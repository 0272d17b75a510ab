# What OpenWrt's include/package.mk does with a package: targets prepare, compile,
# install (into $(OUT)/root), dump. Downloads must be in dl/ already; what they are
# checked by is printed by dump.

PKG_BUILD_DIR	?= $(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
MAKE_VARS	= CFLAGS="$(TARGET_CFLAGS) $(TARGET_CPPFLAGS)" \
		  LDFLAGS="$(TARGET_LDFLAGS)"
MAKE_FLAGS	= $(TARGET_CONFIGURE_OPTS) CROSS="$(TARGET_CROSS)" ARCH="$(ARCH)"

ifdef USE_SOURCE_DIR
define Build/Prepare/Default
	rm -rf $(PKG_BUILD_DIR)
	mkdir -p $(dir $(PKG_BUILD_DIR))
	ln -snf $(USE_SOURCE_DIR) $(PKG_BUILD_DIR)
endef
else
define Build/Prepare/Default
	mkdir -p $(PKG_BUILD_DIR)
	$(TAR) -C $(PKG_BUILD_DIR) --strip-components=1 -xf $(DL_DIR)/$(PKG_SOURCE)
endef
endif

define Build/Prepare
	$(call Build/Prepare/Default)
endef

# $(DRY): -n prints what would be run
define Build/Compile/Default
	+$(MAKE_VARS) $(MAKE) $(DRY) -C $(PKG_BUILD_DIR) $(MAKE_FLAGS) $(1);
endef

define Download
  $(eval $(Download/$(1)))
  $(if $(and $(URL),$(FILE),$(HASH)),,$(error Download/$(1) lacks a field))
  DOWNLOADS += $(URL)/$(FILE)=$(HASH)
endef

define BuildPackage
  $(eval $(Package/$(1)))
  $(foreach f,SECTION CATEGORY TITLE DEPENDS,$(if $($f),,$(error no $f)))

prepare:
	$$(call Build/Prepare)
compile:
	$$(call Build/Compile)
install:
	$$(call Package/$(1)/install,$(OUT)/root)
dump:
	@echo '$(1) $(PKG_VERSION)-$(PKG_RELEASE) $(SECTION)/$(CATEGORY)'
	@echo 'depends $(DEPENDS)'
	@echo 'downloads $(DOWNLOADS)'
endef
