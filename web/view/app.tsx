import { useEffect } from 'preact/hooks';
import { visible } from '../../src/cli/render/text.ts';
import type { PageState } from '../../src/model/page/state.ts';
import { KeysHelp, useKeys } from '../part/keys.tsx';
import { Nothing } from '../part/notes.tsx';
import { QuestionDialog } from '../part/question.tsx';
import { fragmentOf, type Route } from '../state/route.ts';
import { usePage } from '../state/store.ts';
import { Bar } from './bar.tsx';
import { ProjectView } from './project.tsx';
import { ServerView } from './server.tsx';
import { ServerList } from './servers.tsx';
import { SignIn } from './sign-in.tsx';

/** The whole page. */
export function App() {
  const { visitor, state, said, link } = usePage();
  useKeys();
  if (visitor.value.is !== 'in') return <SignIn visitor={visitor.value} />;
  if (state.value === undefined) {
    return (
      <main class="sign-in">
        <h1>looms</h1>
        <p role="status">
          {link.value.is === 'waiting' ? 'the gateway does not answer; asking again …' : 'connecting …'}
        </p>
      </main>
    );
  }
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('place')?.focus()}>
        to the content
      </button>
      <Bar state={state.value} />
      <Places state={state.value} />
      <footer>
        <KeysHelp /> <span class="quiet">looms {visible(state.value.version)} · times in UTC</span>
      </footer>
      <p class="unseen" role="status">
        {visible(said.value)}
      </p>
      <QuestionDialog />
    </>
  );
}

function Places({ state }: { readonly state: PageState }) {
  const { route } = usePage();
  const at = route.value;
  const title = titleOf(at, state);
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <main class={`places at-${at.of}`}>
      <ServerList state={state} />
      <Place at={at} state={state} />
    </main>
  );
}

const titleOf = (at: Route, { project }: PageState): string =>
  visible([...(at.of === 'server' ? [at.server] : []), project, 'looms'].join(' · '));

function Place({ at, state }: { readonly at: Route; readonly state: PageState }) {
  if (at.of !== 'server') return <ProjectView state={state} tab={at.of === 'list' ? 'overview' : at.tab} />;
  const server = state.servers.find(({ name }) => name === at.server);
  if (server !== undefined) return <ServerView key={server.name} server={server} tab={at.tab} />;
  return (
    <div class="place" id="place" tabIndex={-1}>
      <a class="back" href={fragmentOf({ of: 'list' })}>
        ‹ all servers
      </a>
      <Nothing>there is no server {visible(at.server)}</Nothing>
    </div>
  );
}
