import { tokenAsked } from '../api/connection.ts'
import { enterToken } from '../api/token.ts'
import { useStore } from '../store/use-store.ts'

/** Asks for a token, if the server wants one. The tab keeps it. */
export function SignIn() {
  const why = useStore(tokenAsked)
  if (why === null) return null
  return (
    <form
      class="strip strip-bad"
      onSubmit={(event) => {
        event.preventDefault()
        enterToken(String(new FormData(event.currentTarget).get('token')))
      }}
    >
      <label>
        {why} <input name="token" type="password" autocomplete="off" required />
      </label>
      <button type="submit">Use this token</button>
    </form>
  )
}
