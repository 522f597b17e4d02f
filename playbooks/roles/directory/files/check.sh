# Build the configuration elsewhere from the LDIF and let slapd read it; nothing live is touched.
trial=$(mktemp -d /var/lib/gasp/roles/slapd-trial.XXXXXX)
trap 'rm -rf "$trial"' EXIT
slapadd -n 0 -F "$trial" -l /etc/ldap/gasp/config.ldif
slaptest -u -F "$trial"
