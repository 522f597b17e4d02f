# SUFFIX and CHANGED are set. The configuration is built anew from its LDIF while slapd stands still; data stay.
# The data's marker lies beside them: without it, and without an entry of ours, the database is Debian's empty one.
marker=/var/lib/ldap/gasp-initialised
live=/etc/ldap/slapd.d
fresh=/etc/ldap/slapd.d.gasp-new
changed() { printf '%s\n' "$CHANGED" | grep -qx "$1"; }

systemctl enable -q slapd
if [ -e "$marker" ] && [ -d "$live" ] && ! changed '/etc/ldap/gasp/.*' && ! changed '/etc/ldap/schema/.*'; then
  systemctl restart slapd
else
  systemctl stop slapd
  rm -rf "$fresh"
  install -d -m 0750 -o openldap -g openldap "$fresh"
  slapadd -n 0 -F "$fresh" -l /etc/ldap/gasp/config.ldif
  if [ ! -e "$marker" ] && slapcat -F "$fresh" -b "$SUFFIX" -a '(gaspOwner=*)' 2>/dev/null | grep -q '^dn:'; then
    touch "$marker"
  fi
  if [ -e "$marker" ]; then
    slapindex -q -F "$fresh" -b "$SUFFIX"
    slapmodify -F "$fresh" -b "$SUFFIX" -l /etc/ldap/gasp/password.ldif
  else
    find /var/lib/ldap -mindepth 1 -delete
    slapadd -q -F "$fresh" -b "$SUFFIX" -l /etc/ldap/gasp/base.ldif
    touch "$marker"
  fi
  chown -R openldap:openldap "$fresh" /var/lib/ldap
  rm -rf "$live"
  mv "$fresh" "$live"
  systemctl start slapd
fi
tries=0
until ldapwhoami -Q -Y EXTERNAL -H ldapi:/// >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { journalctl -u slapd -n 20 -o cat; echo 'slapd does not answer'; exit 1; }
  sleep 0.1
done
