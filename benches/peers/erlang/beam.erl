%% Beam: plain Erlang processes under the workloads of benches/README.md; the restarts of W13 are those of OTP's supervisor.
%%
%% `erl -noshell ... -run beam main W3 1000000` takes one sample and prints it as one line of JSON.
-module(beam).
-behaviour(supervisor).
-export([main/1, init/1, start_worker/1, follow/1, counting_here/0]).

-define(BODY, <<"0123456789abcdef">>).
-define(DONE_WITHIN, 60000).

main([Workload, Count]) ->
    process_flag(message_queue_data, off_heap),
    Sample = measure(Workload, list_to_integer(Count)),
    Figures = [io_lib:format("\"~s\":~w", [Name, float(Value)]) || {Name, Value} <- Sample],
    io:format("{~s}~n", [lists:join(",", Figures)]),
    %% Ending a million processes is not measured here.
    erlang:halt(0, [{flush, true}]).

measure("W1a", Count) -> spawn_idle(Count);
measure("W1b", Count) -> spawn_idle(Count);
measure("W2", Count) -> many_actors(Count, 1);
measure("W2x10", Count) -> many_actors(Count, 10);
measure("W3", Count) -> producers(1, Count);
measure("W4", Count) -> producers(2, Count);
measure("W5", Count) -> rate(Count, laps(2, Count));
measure("W6", Count) -> rate(Count, laps(1000, Count div 1000));
measure("W7", Count) -> skynet(Count);
measure("W8a", Count) -> ask_sequential(Count);
measure("W8b", Count) -> ask_in_flight(Count);
measure("W9a", Count) -> other_node(fun(Actor) -> one_way(Actor, Count) end);
measure("W9b", Count) -> other_node(fun(Actor) -> asks(Actor, Count) end);
measure("W10", Count) -> fairness(Count);
measure("W11", Count) -> hot_swaps(Count);
measure("W12", Count) -> timers(Count);
measure("W13", Count) -> restarts(Count).

now_ns() -> erlang:monotonic_time(nanosecond).

rate(Count, Start) -> [{"rate", Count * 1.0e9 / (now_ns() - Start)}].

%% The value at a percentile of a list.
percentile(List, Percent) ->
    Sorted = lists:sort(List),
    Rank = (length(Sorted) * Percent + 99) div 100,
    lists:nth(max(1, Rank), Sorted).

resident_bytes() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Statm, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.

times(0, _) -> ok;
times(Count, Do) -> Do(), times(Count - 1, Do).

wait_for(Counter, Count) ->
    receive {done, Counter} -> ok
    after ?DONE_WITHIN -> error({lost, Count - atomics:get(Counter, 1)})
    end.

%% Spawning

idle() ->
    receive
        {ask, From, Ref, Body} -> From ! {Ref, Body}, idle();
        _ -> idle()
    end.

spawn_idle(Count) ->
    ask(spawn(fun idle/0), ?BODY),
    erlang:garbage_collect(),
    Before = resident_bytes(),
    Start = now_ns(),
    Actors = [spawn(fun idle/0) || _ <- lists:seq(1, Count)],
    Rate = rate(Count, Start),
    ask(lists:last(Actors), ?BODY),
    Each = (resident_bytes() - Before) / Count,
    Rate ++ [{"bytes", Each}].

%% Messages

%% Many processes count on one atomic number; who makes it nothing tells the main process.
counting(Left, Main) ->
    receive
        {ask, From, Ref, Body} -> From ! {Ref, Body}, counting(Left, Main);
        _Body ->
            case atomics:sub_get(Left, 1, 1) of
                0 -> Main ! {done, Left};
                _ -> ok
            end,
            counting(Left, Main)
    end.

many_actors(Count, Rounds) ->
    Main = self(),
    Left = atomics:new(1, []),
    atomics:put(Left, 1, Count * Rounds),
    Actors = [spawn(fun() -> counting(Left, Main) end) || _ <- lists:seq(1, Count)],
    ask(lists:last(Actors), ?BODY),
    Start = now_ns(),
    times(Rounds, fun() -> lists:foreach(fun(Actor) -> Actor ! ?BODY end, Actors) end),
    wait_for(Left, Count * Rounds),
    rate(Count * Rounds, Start).

%% One process counts by itself.
counting_alone(0, Main) -> Main ! done;
counting_alone(Left, Main) ->
    receive _Body -> counting_alone(Left - 1, Main) end.

producers(Producers, Count) ->
    Main = self(),
    Actor = spawn_opt(fun() -> counting_alone(Count, Main) end, [{message_queue_data, off_heap}]),
    Each = Count div Producers,
    Start = now_ns(),
    times(Producers - 1, fun() -> spawn(fun() -> send_all(Actor, Each) end) end),
    send_all(Actor, Each),
    receive done -> ok after ?DONE_WITHIN -> error(lost) end,
    rate(Count, Start).

send_all(_, 0) -> ok;
send_all(Actor, Count) -> Actor ! ?BODY, send_all(Actor, Count - 1).

hop() -> receive {next, Next} -> hop(Next) end.
hop(Next) -> receive Body -> Next ! Body, hop(Next) end.

%% The first of a ring counts the laps.
first(Main) -> receive {next, Next, Laps} -> first(Main, Next, Laps) end.
first(Main, Next, Laps) ->
    receive
        _ when Laps =:= 1 -> Main ! done;
        Body -> Next ! Body, first(Main, Next, Laps - 1)
    end.

laps(Actors, Laps) ->
    Main = self(),
    First = spawn(fun() -> first(Main) end),
    Others = [spawn(fun hop/0) || _ <- lists:seq(2, Actors)],
    First ! {next, hd(Others), Laps},
    lists:foreach(fun({Hop, Next}) -> Hop ! {next, Next} end, lists:zip(Others, tl(Others) ++ [First])),
    Start = now_ns(),
    hd(Others) ! ?BODY,
    receive done -> ok after ?DONE_WITHIN -> error(lost) end,
    Start.

%% A node of the skynet is started by a message, as those of the peers.
node(Parent, Number, 1) ->
    receive start -> Parent ! {sum, Number} end;
node(Parent, Number, Leaves) ->
    receive start -> ok end,
    Me = self(),
    Part = Leaves div 10,
    lists:foreach(
        fun(Branch) -> spawn(fun() -> node(Me, Number + Branch * Part, Part) end) ! start end,
        lists:seq(0, 9)
    ),
    Parent ! {sum, sum_of(10, 0)}.

sum_of(0, Sum) -> Sum;
sum_of(Missing, Sum) -> receive {sum, Part} -> sum_of(Missing - 1, Sum + Part) end.

skynet(Leaves) ->
    Main = self(),
    Start = now_ns(),
    spawn(fun() -> node(Main, 0, Leaves) end) ! start,
    Sum = receive {sum, Total} -> Total after ?DONE_WITHIN -> error(lost) end,
    Rate = rate(Leaves, Start),
    Sum = Leaves * (Leaves - 1) div 2,
    Rate.

%% Asks

ask(Actor, Body) ->
    Ref = erlang:monitor(process, Actor),
    Actor ! {ask, self(), Ref, Body},
    receive
        {Ref, Answer} -> erlang:demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, process, _, _} -> error(down)
    end.

ask_sequential(Count) -> asks(spawn(fun idle/0), Count).

asks(Actor, Count) ->
    times(Count div 10, fun() -> ask(Actor, ?BODY) end),
    Start = now_ns(),
    Each = [asked_ns(Actor) || _ <- lists:seq(1, Count)],
    Rate = rate(Count, Start),
    Rate ++ [{"p50_us", percentile(Each, 50) / 1000}, {"p99_us", percentile(Each, 99) / 1000}].

asked_ns(Actor) ->
    Asked = now_ns(),
    ?BODY = ask(Actor, ?BODY),
    now_ns() - Asked.

ask_in_flight(Count) ->
    Actor = spawn(fun idle/0),
    Start = now_ns(),
    times(Count div 1000, fun() ->
        Refs = [send_ask(Actor) || _ <- lists:seq(1, 1000)],
        lists:foreach(fun(Ref) -> receive {Ref, _} -> ok end end, Refs)
    end),
    rate(Count, Start).

send_ask(Actor) ->
    Ref = make_ref(),
    Actor ! {ask, self(), Ref, ?BODY},
    Ref.

%% Time

work(0) -> ok;
work(Rounds) -> work(Rounds - 1).

%% How many rounds of work take two microseconds here.
rounds_of_work() ->
    Start = now_ns(),
    work(4000000),
    max(1, 4000000 * 2000 div (now_ns() - Start)).

flooded(Rounds, Over, Handled) ->
    receive _ ->
        case atomics:get(Over, 1) of
            0 -> work(Rounds);
            _ -> ok
        end,
        atomics:add(Handled, 1, 1),
        flooded(Rounds, Over, Handled)
    end.

%% Each notes its delays by itself, and tells them when it is asked.
quiet(Late, Left, Main) ->
    receive
        {told, From} -> From ! {late, Late};
        {Sent, Planned} ->
            Now = now_ns(),
            Noted = [{Now - Sent, Now - Planned} | Late],
            case atomics:sub_get(Left, 1, 1) of
                0 -> Main ! {done, Left};
                _ -> ok
            end,
            quiet(Noted, Left, Main)
    end.

%% A thousand that note so many delays in all.
quiet_actors(Left, Count) ->
    Main = self(),
    atomics:put(Left, 1, Count),
    [spawn(fun() -> quiet([], Left, Main) end) || _ <- lists:seq(1, 1000)].

delays(Actors, Left, Count) ->
    wait_for(Left, Count),
    lists:foreach(fun(Actor) -> Actor ! {told, self()} end, Actors),
    lists:append([receive {late, Late} -> Late end || _ <- Actors]).

fairness(Count) ->
    Beats = max(1, Count div 5000),
    [Over, Handled] = [atomics:new(1, []), atomics:new(1, [])],
    Rounds = rounds_of_work(),
    Flood = spawn_opt(fun() -> flooded(Rounds, Over, Handled) end, [{message_queue_data, off_heap}]),
    Left = atomics:new(1, []),
    Quiet = quiet_actors(Left, Beats * 1000),
    send_all(Flood, Count),
    beat(Quiet, Beats, now_ns()),
    atomics:put(Over, 1, 1),
    Late = delays(Quiet, Left, Beats * 1000),
    {Sent, Planned} = lists:unzip(Late),
    [{"p99_ms", percentile(Sent, 99) / 1.0e6},
     {"p99_planned_ms", percentile(Planned, 99) / 1.0e6},
     {"flood_handled", atomics:get(Handled, 1) / Count}].

%% `Now` is the moment the beat was planned for.
beat(_, 0, _) -> ok;
beat(Quiet, Beats, Now) ->
    lists:foreach(fun(Actor) -> Actor ! {now_ns(), Now} end, Quiet),
    Next = Now + 10000000,
    timer:sleep(max(0, (Next - now_ns()) div 1000000)),
    beat(Quiet, Beats - 1, Next).

timers(Count) ->
    Left = atomics:new(1, []),
    Actors = quiet_actors(Left, Count),
    Start = now_ns(),
    set_timers(0, Count, Start + 1000000000, 1000000000 div Count, list_to_tuple(Actors)),
    Set = now_ns() - Start,
    {Late, _} = lists:unzip(delays(Actors, Left, Count)),
    [{"rate", Count * 1.0e9 / Set}, {"p99_ms", percentile(Late, 99) / 1.0e6}].

set_timers(Count, Count, _, _, _) -> ok;
set_timers(Place, Count, First, Step, Actors) ->
    Number = Place * 7919 rem Count,
    Now = now_ns(),
    Delay = max(0, First + Number * Step - Now + 999999) div 1000000,
    erlang:send_after(Delay, element(Number rem 1000 + 1, Actors), {Now + Delay * 1000000, 0}),
    set_timers(Place + 1, Count, First, Step, Actors).

%% Code

swapping(Handler) ->
    receive
        {swap, With} -> swapping(With);
        Body -> Handler(Body), swapping(Handler)
    end.

hot_swaps(Swaps) ->
    Main = self(),
    [Left, Newest] = [atomics:new(1, []), atomics:new(1, [])],
    atomics:put(Left, 1, Swaps * 10),
    Actor = spawn_opt(fun() -> swapping(fun(_) -> ok end) end, [{message_queue_data, off_heap}]),
    Start = now_ns(),
    lists:foreach(
        fun(Version) ->
            Actor ! {swap, fun(_) ->
                atomics:put(Newest, 1, Version),
                case atomics:sub_get(Left, 1, 1) of
                    0 -> Main ! {done, Left};
                    _ -> ok
                end
            end},
            send_all(Actor, 10)
        end,
        lists:seq(1, Swaps)
    ),
    wait_for(Left, Swaps * 10),
    Swaps = atomics:get(Newest, 1),
    rate(Swaps, Start).

%% Restarts

init(Handled) ->
    Worker = #{id => worker, start => {?MODULE, start_worker, [Handled]}},
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1}, [Worker]}}.

start_worker(Handled) ->
    Begin = fun() -> register(worker, self()), proc_lib:init_ack({ok, self()}), crashing(Handled) end,
    proc_lib:start_link(erlang, apply, [Begin, []]).

crashing(Handled) ->
    receive
        {ask, From, Ref, Body} -> From ! {Ref, Body};
        crash -> exit(on_purpose);
        _ -> atomics:add(Handled, 1, 1)
    end,
    crashing(Handled).

restarts(Rounds) ->
    logger:set_primary_config(level, none),
    Handled = atomics:new(1, []),
    {ok, _} = supervisor:start_link(?MODULE, Handled),
    Start = now_ns(),
    times(Rounds, fun() ->
        times(5, fun() -> tell(?BODY) end),
        tell(crash),
        times(5, fun() -> tell(?BODY) end),
        until_answered()
    end),
    rate(Rounds, Start) ++ [{"kept", atomics:get(Handled, 1) / (Rounds * 10)}].

%% What is sent while nobody has the name is lost.
tell(Message) ->
    try worker ! Message, ok
    catch error:badarg -> lost
    end.

until_answered() ->
    try ask(worker_now(), ?BODY) of
        ?BODY -> ok
    catch error:_ -> erlang:yield(), until_answered()
    end.

worker_now() ->
    case whereis(worker) of
        undefined -> error(down);
        Worker -> Worker
    end.

%% Two processes of the system: distributed Erlang on two addresses of loopback.

-define(HERE, 'beam@127.0.0.1').
-define(THERE, 'beam@127.0.0.2').

other_node(Measure) ->
    application:set_env(kernel, inet_dist_use_interface, {127, 0, 0, 1}),
    {ok, _} = net_kernel:start([?HERE, longnames]),
    erlang:set_cookie(beam),
    Path = filename:dirname(code:which(?MODULE)),
    Args = ["-noshell", "-noinput", "-start_epmd", "false", "-erl_epmd_port", "43691", "-pa", Path,
            "-name", atom_to_list(?THERE), "-setcookie", "beam",
            "-kernel", "inet_dist_use_interface", "{127,0,0,2}", "-run", "beam", "follow", atom_to_list(?HERE)],
    open_port({spawn_executable, os:find_executable("erl")}, [{args, Args}]),
    connect(erlang:monotonic_time(millisecond) + ?DONE_WITHIN),
    Actor = spawn(?THERE, ?MODULE, counting_here, []),
    Sample = Measure(Actor),
    rpc:call(?THERE, erlang, halt, [0, [{flush, false}]]),
    Sample.

connect(Deadline) ->
    case {net_adm:ping(?THERE), erlang:monotonic_time(millisecond) > Deadline} of
        {pong, _} -> ok;
        {pang, true} -> error(no_other_node);
        {pang, false} -> timer:sleep(20), connect(Deadline)
    end.

%% The other node ends with the one that began it, however that ends.
follow([Node]) ->
    ok = net_kernel:monitor_nodes(true),
    First = list_to_atom(Node),
    receive {nodedown, First} -> erlang:halt(0)
    after ?DONE_WITHIN -> erlang:halt(1)
    end.

counting_here() ->
    process_flag(message_queue_data, off_heap),
    counting_here(0).

counting_here(Count) ->
    receive
        {ask, From, Ref, how_many} -> From ! {Ref, Count}, counting_here(Count);
        {ask, From, Ref, Body} -> From ! {Ref, Body}, counting_here(Count);
        _ -> counting_here(Count + 1)
    end.

one_way(Actor, Count) ->
    Body = binary:copy(<<"x">>, 64),
    Start = now_ns(),
    times(Count, fun() -> Actor ! Body end),
    Count = ask(Actor, how_many),
    rate(Count, Start).
