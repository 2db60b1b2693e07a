import { tokenAsked } from '../api/connection.ts'
import { useStore } from '../store/use-store.ts'

/** Asks for a token, if the server wants one. The tab keeps it. */
export function SignIn() {
  const why = useStore(tokenAsked)
  return (
    why && (
      <form
        class="strip strip-bad"
        onSubmit={(event) => {
          event.preventDefault()
          sessionStorage.bearer = event.currentTarget.token.value
          location.reload()
        }}
      >
        <label>
          {why} <input name="token" type="password" />
        </label>
        <button type="submit">Use</button>
      </form>
    )
  )
}
