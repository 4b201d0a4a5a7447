-- One row: the program.
with

this_program as (
    select * from {{ ref('this_program') }}
),

stages_by_country as (
    select * from {{ ref('stages_by_country') }}
),

certificate_summary as (
    select * from {{ ref('certificate_summary') }}
),

country_summary as (
    select * from {{ ref('country_summary') }}
),

by_certificates as (
    select {{ ordered_list('learners', 'no_certificate_eligible') }} as learners_by_certificates
    from certificate_summary
),

counted as (
    select
        coalesce(sum(learners), 0)::bigint as learners,
        coalesce(sum(if(stage = 'series complete', learners, 0)), 0)::bigint as whole_series_certified,
        coalesce(sum(if(stage = 'one to go', learners, 0)), 0)::bigint as all_but_one_certified,
        coalesce(sum(if(no_certificate_eligible > 0, learners, 0)), 0)::bigint as with_a_certificate
    from stages_by_country
),

countries as (
    select count(country) as countries
    from country_summary
),

final as (
    select
        this_program.program,
        counted.learners,
        by_certificates.learners_by_certificates,
        counted.with_a_certificate,
        counted.all_but_one_certified,
        counted.whole_series_certified,
        countries.countries
    from this_program
    cross join counted
    cross join by_certificates
    cross join countries
)

select * from final
