/**
 * The token of the proxy that serves this page, as the header that each request to the proxy needs; empty under
 * `npm start`, which has no token. `viewkeeper open` puts the token into the page's first address. The page takes it out
 * of the address and keeps it in the storage of its origin: unlike a cookie, which a browser sends to every port of
 * 127.0.0.1, the token reaches no other server of this machine. `viewkeeper serve` beyond this machine asks for a token, which the
 * page keeps for its tab.
 */
export const tokenHeader: Record<string, string> = readToken()

function readToken(): Record<string, string> {
  const address = new URL(location.href)
  const given = address.searchParams.get('token')
  if (given !== null) {
    localStorage.setItem('token', given)
    address.searchParams.delete('token')
    history.replaceState(history.state, '', address)
  }
  const { bearer } = sessionStorage
  if (bearer) return { authorization: `Bearer ${bearer}` }
  const token = localStorage.getItem('token')
  return token === null ? {} : { 'x-viewkeeper-token': token }
}
