# One lane, by number or by name: a generator that went on in another lane is open as far as this one tells.
cptrace calls -v --lane 1 two_lanes.cptrace 2>&1
cptrace calls --lane worker two_lanes.cptrace | cksum >by_name
cptrace calls --lane 1 two_lanes.cptrace | cksum | diff - by_name && echo same
cptrace calls --lane main two_lanes.cptrace
