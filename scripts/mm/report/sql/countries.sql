-- One row per country among those with the most learners, for the others, and for who gave none.
-- The variable `largest` says how many have a row of their own. Where all programs are in the file, it has a
-- column `program`, and each program has such rows.
with

named as (
    select
        * exclude (country, rank_by_learners),
        case
            when country is null then 'Not given'
            when rank_by_learners <= getvariable('largest') then country
            else 'Others'
        end as name
    from country_summary
),

final as (
    select
        * exclude (learners, passed, certificate_eligible),
        count(*) as countries,
        sum(learners)::bigint as learners,
        sum(passed)::bigint as passed,
        sum(certificate_eligible)::bigint as certificate_eligible
    from named
    group by all
)

select * from final -- noqa: AM04
order by name = 'Not given' asc, name = 'Others' asc, learners desc, name asc
