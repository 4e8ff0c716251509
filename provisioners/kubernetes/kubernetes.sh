# For root on a control plane: kubectl as the administrator.
if [ "$(id -u)" = 0 ]; then
  for f in /etc/kubernetes/super-admin.conf /etc/kubernetes/admin.conf; do
    if [ -f "$f" ]; then
      export KUBECONFIG="$f"
      break
    fi
  done
  unset f
fi
alias k=kubectl
