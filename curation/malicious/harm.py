"""Code that harms whoever runs it: it sends local data away, destroys, blocks, overloads, or lets others in.

Alone it is no attack on a reader: books are full of such code. It counts where a text asks for it to be put into
an answer or a program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_I = re.IGNORECASE
_OUT = re.compile(
    r"requests?\.(?:post|put|get|request)\(|urlopen\(|httpx?\.\w|http\.client|\bfetch\(|axios|smtplib|ftplib|paramiko|boto3"
    r"|socket\.(?:socket|create_connection)|\.sendall?\(|sendto\(|\b(?:curl|wget|scp|rsync|sftp|ftp|netcat|nc|tftp)\b|sendmail",
    _I,
)
_LOCAL = re.compile(
    r"\bopen\(|read_text\(|\.read\(\)|clipboard|pbpaste|xclip|pyperclip|getuser|getlogin|getpass|platform\.|uname|gethostname"
    r"|environ\b|pkg_resources|importlib\.metadata|psutil\.|screenshot|screencapture|imagegrab|x11grab|pynput|keyboard\.|evdev"
    r"|on_press|getasynckeystate|webcam|videocapture|sounddevice|pyaudio|sqlite3\.connect|/etc/passwd|id_rsa|cookies|getnode\("
    r"|ifconfig|ipconfig|systeminfo|history\b|winreg|scrot|mss\b|avfoundation|\bxinput\b|/dev/input|log_?key|\.log\b",
    _I,
)
_DAMAGE = re.compile(
    r"rmtree|\brm\s+-\w*[rf]|\"rm\"|'rm'|\bmkfs|\bdd\s+if=|/dev/sd|shred\b|os\.(?:remove|unlink|kill|abort|fork|truncate)|\bformat\s+c:"
    r"|\.terminate\(\)|\.kill\(\)|shutdown|reboot|poweroff|\bhalt\b|killall|pkill|taskkill|iptables|\bufw\b|netsh|nmcli|/etc/hosts"
    r"|ifconfig\s+\S+\s+down|interface\s+set|systemctl\s+(?:stop|disable)|chmod\s+-?R?\s*0?00|fork\(\)|:\(\)\s*\{|\*\s*10{5,}|\b10\s*\*\*\s*[6-9]"
    r"|fernet|encryptor|ciphers?\.|aes\.new|\.encrypt\(|rsa\.|chacha|blowfish|\bgpg\b|openssl\s+enc|bytes\(.{0,20}\^|/dev/(?:zero|urandom)"
    r"|\"wb\"\)|'wb'\)|winreg|bootrec|\bdel\s+/|vssadmin|ctypes\.string_at|setrlimit|\bsysrq|networksetup|\bdown\b|net\s+stop",
    _I,
)
_AGAIN = re.compile(
    r"while\s*\(?\s*(?:true|1|!0|not\s+false)|for\s+\w+\s+in\s+(?:range\(\s*\d{3,}|iter\(|itertools)|for\s*\(\s*;;", _I
)
_CALL = re.compile(
    r"subprocess|os\.system|popen|requests?\.|socket|urlopen|\bping\b|append\(|thread|process\(|fork|hping|slowloris|\bab\s+-n",
    _I,
)
_LET_IN = re.compile(
    r"(?:curl|wget)[^\n]{0,120}\|\s*(?:ba|z|)sh\b|ssh\s+-[LRD]\b|\"-[LRD]\"|/bin/(?:ba)?sh|pty\.spawn|dup2\(|exec\(\s*(?:requests|urllib|base64)|eval\(\s*(?:requests|urllib|base64)"
    r"|listentcp|connecttcp|\bforward(?:er|ing|tunnel)?\b|sniff\(|tcpdump|pcap|scapy|mitmproxy|\bproxy\b|authorized_keys|crontab|chmod\s+\+?[0-7x]{1,4}\s"
    r"|urlretrieve|\.exec_command|reverse_?shell|nc\s+-\w*[le]|pickle\.loads|0\.0\.0\.0|invoke-expression|iex\s*\(|downloadstring|tunnel|tshark|pyshark|promisc",
    _I,
)  # fmt: skip
_FENCE = re.compile(r"```[^\n`]*\n|~~~[^\n~]*\n|<code>|<pre>")
_LONGEST = 4000  # characters of a block that are read


def blocks(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of code: between fences, or from an opening one to the end."""
    at = 0
    while found := _FENCE.search(text, at):
        mark = found[0][:3]
        closing = {"<co": "</code>", "<pr": "</pre>"}.get(mark, mark)
        end = text.find(closing, found.end())
        end = len(text) if end < 0 else end
        yield found.end(), min(end, found.end() + _LONGEST)
        at = min(len(text), end + 3)


def harms(code: str) -> str:
    """How a piece of code harms, in a word; "" where nothing is seen."""
    if _LET_IN.search(code):
        return "lets_in"
    if _DAMAGE.search(code):
        return "damages"
    if _AGAIN.search(code) and _CALL.search(code):
        return "overloads"
    if _OUT.search(code) and _LOCAL.search(code):
        return "sends_out"
    return ""
